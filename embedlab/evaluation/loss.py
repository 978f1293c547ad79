"""Losses on held-out text, by position in the window. B batch, T window, D model width."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from embedlab.data.windows import SlidingWindows
from embedlab.model.embeddings import LanguageModel
from embedlab.model.loss import token_losses
from embedlab.runs.measured import Scores
from embedlab.training.module import scores

PASS_TOKENS = 4096  # of a forward pass, if a training batch has fewer: a bias or mask is computed once for each pass


@dataclass(slots=True)
class Losses:
    """Losses of all targets of some windows."""

    nats: np.ndarray  # (windows, T)
    n_bytes: int  # UTF-8 bytes of the same targets

    def scores(self) -> Scores:
        """Return loss (nats/token), perplexity and bits_per_byte over all targets."""
        return scores(float(self.nats.sum()), self.nats.size, self.n_bytes)

    def by_position(self) -> list[float]:
        """Return T mean losses, of the targets that see 1 … T tokens of context."""
        means: list[float] = self.nats.mean(0).tolist()
        return means


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Disable gradients and dropout of a model or a part of one; afterwards its training mode is restored."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def batch_starts(n_windows: int, step: int, T: int) -> Iterable[int]:
    """Return the first window of each batch of `step`; at a terminal, a bar shows how far the evaluation is.

    The bar appears after a second and vanishes at the end.
    """
    about = f"scoring windows of {T} tokens"
    bar: Iterable[int] = tqdm(
        range(0, n_windows, step), about, unit="batch", delay=1, leave=False, disable=None, dynamic_ncols=True
    )
    return bar


def window_losses(model: LanguageModel, windows: SlidingWindows, byte_lengths: Tensor, batch_tokens: int) -> Losses:
    """Score every target of the windows, about `batch_tokens` at a time; the model's training mode is kept."""
    device = model.tokens.weight.device
    step = max(1, batch_tokens // windows.context_length)
    parts, n_bytes = [], 0
    with evaluating(model):
        for start in batch_starts(len(windows), step, windows.context_length):
            inputs, targets = windows.__getitems__(range(start, min(start + step, len(windows))))
            losses = model.losses(inputs.to(device), targets.to(device))  # (B, T)
            parts.append(losses.cpu().double().numpy())
            n_bytes += int(byte_lengths.cpu()[targets].sum())
    return Losses(np.concatenate(parts), n_bytes)


def last_losses(model: LanguageModel, inputs: np.ndarray, targets: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Score the last targets of each window: inputs (N, T), targets (N, s), s <= T -> losses in nats (N, s) float64.

    The last layer and the softmax are computed for the scored targets only. About `batch_tokens` are processed at a
    time, or PASS_TOKENS if that is more.
    """
    device = model.tokens.weight.device
    n_scored = targets.shape[1]
    step = max(1, max(batch_tokens, PASS_TOKENS) // inputs.shape[1])
    parts = []
    with evaluating(model):
        for start in batch_starts(len(inputs), step, inputs.shape[1]):
            ids = torch.from_numpy(inputs[start : start + step].astype(np.int64)).to(device)
            wanted = torch.from_numpy(targets[start : start + step].astype(np.int64)).to(device)
            hidden = model(ids, last=n_scored).flatten(0, 1)  # (B·s, D)
            losses = token_losses(hidden, model.output_table, wanted.flatten(), model.chunk).view_as(wanted)
            parts.append(losses.cpu().double().numpy())
    return np.concatenate(parts)
