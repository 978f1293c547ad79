"""Order sensitivity, compared with a slow loop, and for models that cannot notice order."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from embedlab.config.tree import Config
from embedlab.evaluation.order import SEED, order_sensitivity, shuffle_start
from embedlab.model.embeddings import LanguageModel

V, L = 17, 8
TINY = ("model.embedding_dim=8", "model.n_heads=2", f"data.context_length={L}", "model.init_std=0.5")
IDS = np.random.default_rng(1).integers(0, V, 100).astype(np.uint16)


def test_against_one_window_at_a_time(make_config: Callable[..., Config]) -> None:
    config = make_config(
        *TINY, "position=sinusoidal", "evaluation.order_windows=7", "evaluation.shuffle_keep=[0,3,8,20]"
    )
    model = LanguageModel(config, V)
    starts = [int(i * (len(IDS) - L - 1) / 6) for i in range(7)]
    keys = np.random.default_rng(SEED).random((7, L))

    def loss(keep: int) -> float:
        total = 0.0
        for start, row in zip(starts, keys, strict=True):
            window = [int(token) for token in IDS[start : start + L]]
            n = max(0, L - keep)
            window[:n] = [window[i] for i in sorted(range(n), key=lambda i, row=row: row[i])]
            with torch.no_grad():
                logits = model.logits(torch.tensor([window]))[0, -1]
            total -= float(torch.log_softmax(logits.double(), -1)[int(IDS[start + L])])
        return total / 7

    entries = order_sensitivity(model, IDS, config)
    assert [e["keep"] for e in entries] == [0, 3, 8, 20, L]
    for entry in entries:
        assert entry["loss"] == pytest.approx(loss(entry["keep"]), rel=1e-5)
        assert entry["rise"] == pytest.approx(loss(entry["keep"]) - loss(L), abs=1e-5)
    assert abs(entries[0]["rise"]) > 1e-3
    assert entries[2]["rise"] == entries[3]["rise"] == entries[4]["rise"] == 0


def test_a_model_that_sees_the_last_token_only(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "model=linear", "model.n_heads=1", "position=none")
    entries = order_sensitivity(LanguageModel(config, V), IDS, config)
    assert entries[0]["rise"] != 0  # keep=0 moves the last token as well
    assert [e["rise"] for e in entries[1:]] == [0] * (len(entries) - 1)


def test_one_layer_without_positions_sees_a_bag(make_config: Callable[..., Config]) -> None:
    """Two sentences of the source chapters with the same last token: one layer does not see the order before it."""
    config = make_config(*TINY, "position=none", "model.n_layers=1", "evaluation.shuffle_keep=[1]")
    entries = order_sensitivity(LanguageModel(config, V), IDS, config)
    assert entries[0]["rise"] == pytest.approx(0, abs=1e-6)
    two = make_config(*TINY, "position=none", "model.n_layers=2", "evaluation.shuffle_keep=[1]")
    assert abs(order_sensitivity(LanguageModel(two, V), IDS, two)[0]["rise"]) > 1e-5  # causality leaks some order


@given(st.integers(0, 12), st.integers(0, 99))
def test_shuffles_keep_the_bag_and_the_end(keep: int, seed: int) -> None:
    inputs = np.random.default_rng(seed).permuted(np.tile(np.arange(10), (4, 1)), axis=1)
    mixed = shuffle_start(inputs, keep, np.random.default_rng(seed + 1).random(inputs.shape))
    assert mixed.shape == inputs.shape
    assert (np.sort(mixed, 1) == np.sort(inputs, 1)).all()
    assert (mixed[:, 10 - min(keep, 10) :] == inputs[:, 10 - min(keep, 10) :]).all()
    if keep < 5:  # that six or more tokens of four windows keep their positions by chance happens once in 10^11
        assert (mixed != inputs).any()


def test_the_shuffles_do_not_depend_on_torch(make_config: Callable[..., Config]) -> None:
    config = make_config(*TINY, "position=alibi")
    model = LanguageModel(config, V)
    torch.manual_seed(1)
    np.random.seed(1)
    first = order_sensitivity(model, IDS, config)
    torch.manual_seed(2)
    np.random.seed(2)
    assert order_sensitivity(model, IDS, config) == first
