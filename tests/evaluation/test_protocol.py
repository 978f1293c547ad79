"""What the protocols of longer contexts and shuffled order cost, and that saving leaves their numbers as they were."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embedlab.config.tree import Config
from embedlab.evaluation import lengths, order
from embedlab.evaluation.lengths import extrapolation
from embedlab.evaluation.loss import PASS_TOKENS, last_losses
from embedlab.evaluation.order import order_sensitivity
from embedlab.model.embeddings import LanguageModel

V = 31
IDS = np.random.default_rng(1).integers(0, V, 3000).astype(np.uint16)
BYTES = np.ones(V, dtype=np.int64)
SMALL = ("model.embedding_dim=16", "model.n_heads=2", "data.context_length=8", "data.batch_size=2")
KINDS = ("none", "rotary", "t5", "forgetting", "shaw", "sinusoidal")  # one for each path through attention


def score_every_row(model: LanguageModel, inputs: np.ndarray, targets: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Score as version 0.2.0 did: all rows of every layer, in batches of training's size, the last ones then kept."""
    step = max(1, batch_tokens // inputs.shape[1])
    parts = []
    for start in range(0, len(inputs), step):
        with torch.no_grad():
            logits = model.logits(torch.from_numpy(inputs[start : start + step].astype(np.int64)))
        wanted = torch.from_numpy(targets[start : start + step].astype(np.int64))
        logits = logits[:, -wanted.size(1) :].double()
        parts.append(-logits.log_softmax(-1).gather(-1, wanted[..., None]).squeeze(-1).numpy())
    return np.concatenate(parts)


def trained(config: Config) -> LanguageModel:
    """Return a model whose logits are not near zero, as if it had learned something."""
    model = LanguageModel(config, V)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)
    return model.eval()


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("position", KINDS)
def test_the_numbers_of_version_020(make_config: Callable[..., Config], position: str, n_layers: int) -> None:
    config = make_config(
        *SMALL, f"position={position}", f"model.n_layers={n_layers}",
        "evaluation.max_tokens=256", "evaluation.sliding_step=3",
    )  # fmt: skip
    model = trained(config)
    new = extrapolation(model, IDS, BYTES, config), order_sensitivity(model, IDS, config)
    with (
        mock.patch.object(lengths, "last_losses", score_every_row),
        mock.patch.object(order, "last_losses", score_every_row),
    ):
        old = extrapolation(model, IDS, BYTES, config), order_sensitivity(model, IDS, config)
    for ours, theirs in zip(new[0], old[0], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
        assert (ours["targets"], ours["defined"], ours["note"]) == (theirs["targets"], True, "")
    for mixed, as_before in zip(new[1], old[1], strict=True):
        assert (mixed["loss"], mixed["rise"]) == pytest.approx((as_before["loss"], as_before["rise"]), abs=1e-6)
    assert abs(new[0][0]["loss"] - np.log(V)) > 0.05  # no uniform distribution, which any protocol would score alike


@pytest.mark.parametrize("head", ["attention", "linear"])
def test_last_rows_are_those_of_the_whole_output(make_config: Callable[..., Config], head: str) -> None:
    model = trained(make_config(*SMALL, f"model={head}", "position=sinusoidal"))
    ids = torch.from_numpy(IDS[:48].astype(np.int64)).view(6, 8)
    with torch.no_grad():
        whole = model(ids)
        for last in (1, 3, 8):
            torch.testing.assert_close(model(ids, last=last), whole[:, -last:], rtol=0, atol=1e-5)


@contextmanager
def counted_rows(part: nn.Module) -> Iterator[list[int]]:
    """Count the rows that pass through a part of the model, one entry for each of its calls."""
    seen: list[int] = []

    def count(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].shape[:-1].numel())

    handle = part.register_forward_pre_hook(count)
    try:
        yield seen
    finally:
        handle.remove()


def test_passes_and_rows_at_the_default_settings(make_config: Callable[..., Config]) -> None:
    """Width does not matter for the count: window 64, four lengths, steps of 16, 256 windows, four shuffles."""
    config = make_config(
        "model.embedding_dim=16", "model.n_heads=2", "data.context_length=64", "data.batch_size=16", "position=none"
    )
    model = LanguageModel(config, V)
    first, last = (block.expand for block in model.head.blocks)
    with counted_rows(first) as every, counted_rows(last) as scored:
        extrapolation(model, IDS, BYTES, config)
    windows = 2048 // 16  # for each length
    assert sum(every) == windows * (64 + 128 + 256 + 512) + 4 * 2048
    assert len(every) == sum(every) // PASS_TOKENS + 2  # the four cut regions of 2,048 tokens make four passes
    assert len(every) <= 34  # 136 in batches of training's size
    assert sum(scored) == 2 * 4 * 2048  # each target once for each protocol and length

    with counted_rows(first) as every, counted_rows(last) as scored:
        order_sensitivity(model, IDS, config)
    assert len(every) == 5 * 256 * 64 // PASS_TOKENS == 20
    assert sum(scored) == 5 * 256  # the last target of every window, shuffled four ways and not


def test_training_batches_larger_than_a_pass_are_kept(make_config: Callable[..., Config]) -> None:
    """A GPU is filled by what training fills it with."""
    model = LanguageModel(make_config(*SMALL, "position=none"), V)
    inputs, targets = IDS[:2048].reshape(256, 8), IDS[8:2056:8].reshape(256, 1)
    with mock.patch("embedlab.evaluation.loss.PASS_TOKENS", 64):
        for batch_tokens, passes in ((16, 32), (64, 32), (1024, 2)):
            with counted_rows(model.head.norm) as rows:
                last_losses(model, inputs, targets, batch_tokens)
            assert (len(rows), sum(rows)) == (passes, 256)
