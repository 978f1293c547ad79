"""The position lens shows what attention does, for every scheme."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from embedlab import positions
from embedlab.config.tree import Config
from embedlab.evaluation.lens import Watched, mean_by_distance, position_lens
from embedlab.model.embeddings import LanguageModel
from embedlab.positions.site import square

V, T, H = 17, 8, 2
TINY = ("model.embedding_dim=16", f"model.n_heads={H}", f"data.context_length={T}", "model.init_std=0.3")
IDS = np.random.default_rng(0).integers(0, V, 60).astype(np.uint16)


@pytest.mark.parametrize("name", positions.names())
def test_the_lens_changes_nothing_and_weights_sum_to_one(make_config: Callable[..., Config], name: str) -> None:
    config = make_config(*TINY, f"position={name}")
    model = LanguageModel(config, V).eval()
    ids = torch.from_numpy(IDS[:T].astype(np.int64))[None]
    with torch.no_grad():
        watched = Watched(model.scheme).eval()
        x = model.scheme.embed(model.tokens(ids), square(torch.arange(T)))
        torch.testing.assert_close(model.head(x, watched, torch.arange(T)), model(ids), rtol=1e-4, atol=1e-5)
    lens = position_lens(model, IDS, config)
    assert lens is not None
    assert lens["windows"] == 8
    for kind in ("logits", "weights"):
        assert np.array(lens[kind], dtype=float).shape == (config.model.n_layers, H, T)
    row_sums = (np.array(lens["weights"]) * np.arange(T, 0, -1) / T).sum(-1)  # a distance δ has T - δ queries
    np.testing.assert_allclose(row_sums, 1, rtol=1e-3)


def test_alibi_shows_its_slopes(make_config: Callable[..., Config]) -> None:
    """If all queries are zero, the logits are ALiBi's bias: -1/16 and -1/256 a token for two heads."""
    config = make_config(*TINY, "position=alibi")
    model = LanguageModel(config, V)
    for block in model.head.blocks:  # an attention head
        block.attention.qkv.weight.data[:16] = 0
    lens = position_lens(model, IDS, config)
    assert lens is not None
    for layer in lens["logits"]:
        for slope, head in zip((1 / 16, 1 / 256), layer, strict=True):
            assert head == pytest.approx([-slope * distance for distance in range(T)], rel=1e-4, abs=1e-6)


def test_first_layer_against_loops(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "position=none", "model.n_layers=1")
    model = LanguageModel(config, V)
    lens = position_lens(model, IDS, config)
    assert lens is not None
    attention, norm = model.head.blocks[0].attention, model.head.blocks[0].norm1
    logits: dict[tuple[int, int], list[float]] = {}
    weights: dict[tuple[int, int], list[float]] = {}
    with torch.no_grad():
        for start in (int(i * (len(IDS) - T) / 7) for i in range(8)):
            x = norm(model.tokens(torch.from_numpy(IDS[start : start + T].astype(np.int64))))
            q, k, _ = attention.qkv(x).split(16, -1)
            for h in range(H):
                part = slice(8 * h, 8 * h + 8)
                for i in range(T):
                    row = [float(q[i, part] @ k[j, part]) / 8**0.5 for j in range(i + 1)]
                    total = sum(np.exp(row))
                    for j, logit in enumerate(row):
                        logits.setdefault((h, i - j), []).append(logit)
                        weights.setdefault((h, i - j), []).append(float(np.exp(logit) / total))
    for (h, distance), values in logits.items():
        assert lens["logits"][0][h][distance] == pytest.approx(np.mean(values), rel=1e-3, abs=1e-5)
        assert lens["weights"][0][h][distance] == pytest.approx(np.mean(weights[h, distance]), rel=1e-3)


def test_distances_without_a_key() -> None:
    matrix = torch.tensor([[0.0, -torch.inf], [-torch.inf, 4.0]])[None, None]
    means = mean_by_distance(matrix)
    assert means[0, 0] == 2
    assert means[0, 1].isnan()


def test_a_head_without_attention_has_no_lens(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "model=linear", "model.n_heads=1", "position=none")
    assert position_lens(LanguageModel(config, V), IDS, config) is None
