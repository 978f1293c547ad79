"""Numbers of measure_tables, compared with plain formulas and known answers."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from embedlab.config.groups import TokenizerConfig
from embedlab.config.tree import Config
from embedlab.data.tokenizer import load_tokenizer
from embedlab.evaluation.table_measures import (
    effective_rank,
    isotropy,
    list_neighbours,
    mean_cosine,
    measure_position_table,
    measure_tables,
    measure_token_table,
)
from embedlab.model.embeddings import LanguageModel


def random_rows(n: int, width: int) -> torch.Tensor:
    return torch.randn(n, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_effective_rank() -> None:
    assert effective_rank(torch.eye(5).double() * 3) == pytest.approx(5)
    assert effective_rank(torch.ones(4, 3).double()) == pytest.approx(1)
    diagonal = torch.diag(torch.tensor([3.0, 1.0, 0.0]).double())  # shares 3/4, 1/4, 0
    assert effective_rank(diagonal) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_isotropy() -> None:
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    assert isotropy(axes) == pytest.approx(1)
    rows = random_rows(20, 3) + torch.tensor([1.0, 0.0, 0.0])
    directions = np.linalg.eigh((rows.T @ rows).numpy())[1].T
    partition = [
        sum(math.exp(sign * float(np.dot(axis, row))) for row in rows.numpy())
        for axis in directions
        for sign in (1, -1)
    ]
    assert isotropy(rows) == pytest.approx(min(partition) / max(partition))
    assert isotropy(rows * 1000) >= 0  # no overflow


def test_mean_cosine() -> None:
    rows = random_rows(7, 4)
    pairs = [torch.cosine_similarity(a, b, dim=0).item() for a, b in itertools.combinations(rows, 2)]
    assert mean_cosine(rows) == pytest.approx(sum(pairs) / len(pairs))
    assert mean_cosine(rows[:1]) == 1


def test_norm_against_log_frequency() -> None:
    rows, counts = random_rows(30, 4), np.random.default_rng(0).integers(1, 1000, 30)
    expected = stats.pearsonr(np.linalg.norm(rows.numpy(), axis=1), np.log(counts)).statistic
    assert measure_token_table(rows, counts)["norm_log_frequency"] == pytest.approx(expected)
    assert measure_token_table(rows, np.full(30, 5))["norm_log_frequency"] is None
    assert measure_token_table(rows[:1], counts[:1])["norm_log_frequency"] is None


def test_similarity_by_distance() -> None:
    rows = random_rows(6, 4)
    found = measure_position_table(rows)["similarity_by_distance"]
    for apart in range(6):
        pairs = [torch.cosine_similarity(rows[i + apart], rows[i], dim=0).item() for i in range(6 - apart)]
        assert found[apart] == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
    assert len(found) == 6


def test_neighbours_of_the_most_frequent_letters(make_config: Callable[..., Config]) -> None:
    tokenizer = load_tokenizer(TokenizerConfig("bytes", None), cache_dir=None)  # reads none
    config = make_config("tokenizer=bytes", "position=learned", "model.embedding_dim=16", "data.context_length=8")
    model = LanguageModel(config, tokenizer.vocab_size)
    weight = model.tokens.weight.data
    weight[ord("b")] = 3 * weight[ord("a")] + 0.001 * weight[ord("c")]  # nearly the same direction
    ids = np.frombuffer(b"  .....aaaa.bbbc", np.uint8)
    found = measure_tables(model, ids, tokenizer)
    words = found["neighbours"]
    assert [(word["token"], word["count"]) for word in words] == [("a", 4), ("b", 3), ("c", 1)]
    assert words[0]["neighbours"][0] == {"token": "b", "cosine": pytest.approx(1, abs=1e-4)}
    assert words[1]["neighbours"][0]["token"] == "a"
    assert all(near["token"] != word["token"] for word in words for near in word["neighbours"])
    assert found["token"]["rows"] == 5
    assert found["position"]["rows"] == 8
    assert not list_neighbours(torch.ones(1, 2), np.array([ord(".")]), np.array([1]), tokenizer)


def test_a_scheme_without_a_table(make_config: Callable[..., Config]) -> None:
    config = make_config("tokenizer=bytes", "position=none", "model.embedding_dim=16", "data.context_length=8")
    tokenizer = load_tokenizer(config.tokenizer, cache_dir=None)  # reads none
    model = LanguageModel(config, tokenizer.vocab_size)
    assert measure_tables(model, np.arange(20, dtype=np.uint8), tokenizer)["position"] is None
