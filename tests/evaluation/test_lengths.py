"""Longer contexts: the targets are the same at every length, each with the context that the protocol promises."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from embedlab.config.tree import Config
from embedlab.evaluation import lengths
from embedlab.evaluation.lengths import extrapolation, sum_region_losses, target_region
from embedlab.model.embeddings import LanguageModel

V = 17
TINY = ("model.embedding_dim=8", "model.n_heads=2", "data.context_length=4", "model.init_std=0.5", "data.batch_size=3")


def random_text(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, V, n).astype(np.uint16)


BYTES = np.random.default_rng(2).integers(0, 9, V)


def test_a_model_blind_to_context_has_one_loss_everywhere(make_config: Callable[..., Config]) -> None:
    """A linear head without positions sees only the last token, which is there at any length and in both protocols."""
    config = make_config(*TINY, "model=linear", "model.n_heads=1", "position=none", "evaluation.sliding_step=3")
    entries = extrapolation(LanguageModel(config, V), random_text(200), BYTES, config)
    assert [(e["context_length"], e["protocol"]) for e in entries] == [
        (T, protocol) for T in (4, 8, 16, 32) for protocol in ("non_overlapping", "sliding")
    ]
    assert all(e["defined"] and e["targets"] == 160 and not e["note"] for e in entries)
    for key in ("loss", "bits_per_byte"):
        values = [e[key] for e in entries]
        assert values == pytest.approx([values[0]] * len(values), rel=1e-6)


@pytest.mark.parametrize("position", ["sinusoidal", "alibi", "shaw"])
@pytest.mark.parametrize("factors", [[1, 2, 4], [0.5, 1.5, 2]])  # 6 does not divide 8: a shorter last window remains
@pytest.mark.parametrize("step", [1, 3, 100])
def test_against_one_target_at_a_time(
    make_config: Callable[..., Config], position: str, factors: list[float], step: int
) -> None:
    config = make_config(
        *TINY, f"position={position}", f"evaluation.length_factors={factors}", f"evaluation.sliding_step={step}",
        "evaluation.max_tokens=40",
    )  # fmt: skip
    model, ids = LanguageModel(config, V), random_text(60)
    M = round(4 * max(factors))
    n = 40 // M * M
    n_bytes = sum(int(BYTES[ids[target]]) for target in range(M, M + n))
    entries = extrapolation(model, ids, BYTES, config)
    assert len({e["loss"] for e in entries}) > 1
    for entry in entries:
        T = entry["context_length"]
        scored = T if entry["protocol"] == "non_overlapping" else min(step, T)
        expected = 0.0
        for target in range(M, M + n):
            window = (target - M) // scored
            end = min(M + (window + 1) * scored, M + n)  # one past the window's last target
            context = torch.tensor(ids[end - 1 - T : target].astype(np.int64))
            assert T - scored + 1 <= len(context) <= T or end == M + n
            with torch.no_grad():
                logits = model.logits(context[None])[0, -1]
            expected -= float(torch.log_softmax(logits.double(), -1)[int(ids[target])])
        assert entry["targets"] == n
        assert entry["loss"] == pytest.approx(expected / n, rel=1e-5)
        assert entry["bits_per_byte"] == pytest.approx(expected / np.log(2) / n_bytes, rel=1e-5)


@given(st.data())
def test_every_target_once_with_the_promised_context(data: st.DataObject) -> None:
    T = data.draw(st.integers(1, 12), "T")
    start = data.draw(st.integers(T, 20), "start")
    n = data.draw(st.integers(1, 40), "n")
    step = data.draw(st.integers(1, T), "step")
    seen: list[tuple[int, int]] = []  # target, tokens of context

    def record(model: Any, inputs: np.ndarray, targets: np.ndarray, batch_tokens: int) -> np.ndarray:
        for row, wanted in zip(inputs, targets, strict=True):
            assert row.tolist() == list(range(row[0], row[0] + T))
            assert wanted[-1] == row[-1] + 1
            seen.extend((int(target), int(target - row[0])) for target in wanted)
        return np.ones(targets.shape)

    with mock.patch.object(lengths, "last_losses", record):
        total = sum_region_losses(mock.Mock(), np.arange(start + n), start, n, T, step, batch_tokens=8)
    assert total == n
    assert sorted(target for target, _ in seen) == list(range(start, start + n))
    assert all(T - step + 1 <= context <= T for _, context in seen)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 300), st.integers(1, 200))
def test_the_region_is_inside_the_text(wanted: list[int], n_ids: int, max_tokens: int) -> None:
    M, n = target_region(wanted, n_ids, max_tokens)
    if M == 0:
        assert n == 0
        assert all(2 * T > n_ids or T > max_tokens for T in wanted)
        return
    assert M in wanted
    assert 0 < n <= max_tokens
    assert n % M == 0
    assert M + n <= n_ids
    assert n + M > max_tokens or n + 2 * M > n_ids  # no larger one fits


def test_a_table_is_never_read_past_its_end(make_config: Callable[..., Config]) -> None:
    ids = random_text(200)
    config = make_config(*TINY, "position=learned")
    entries = extrapolation(LanguageModel(config, V), ids, BYTES, config)
    for entry in entries:
        assert entry["defined"] == (entry["context_length"] == 4)
        if not entry["defined"]:
            assert (entry["loss"], entry["bits_per_byte"], entry["targets"]) == (None, None, 0)
            assert entry["note"] == "undefined past its table of 4 vectors"
    other = make_config(*TINY, "position=none")  # the same targets whatever the scheme can do
    assert extrapolation(LanguageModel(other, V), ids, BYTES, other)[0]["targets"] == entries[0]["targets"]
    clamped = make_config(*TINY, "position=learned", "position.past_end=clamp")
    assert all(e["defined"] for e in extrapolation(LanguageModel(clamped, V), ids, BYTES, clamped))


def test_a_text_that_is_too_short_is_reported(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "position=none", "evaluation.max_tokens=10")
    model = LanguageModel(config, V)
    notes = {e["context_length"]: e["note"] for e in extrapolation(model, random_text(14), BYTES, config)}
    assert notes == {
        4: "",
        8: "the test text has 14 tokens, and this length needs 16",
        16: "evaluation.max_tokens=10 is below this length",
        32: "evaluation.max_tokens=10 is below this length",
    }
    assert not any(e["defined"] for e in extrapolation(model, random_text(6), BYTES, config))


def test_dropout_is_off_and_the_mode_is_restored(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "position=alibi", "model.dropout=0.5")
    model = LanguageModel(config, V).train()
    first = extrapolation(model, random_text(100), BYTES, config)
    assert first == extrapolation(model, random_text(100), BYTES, config)
    assert model.training
    assert extrapolation(model.eval(), random_text(100), BYTES, config) == first
    assert not model.training
