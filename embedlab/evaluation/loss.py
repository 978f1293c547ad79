"""Losses on held-out text, by position in the window. B batch, T window, D model width."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from embedlab.data.windows import SlidingWindows
from embedlab.model.embeddings import LanguageModel
from embedlab.model.loss import token_losses
from embedlab.runs.results import Scores
from embedlab.training.module import scores


@dataclass(slots=True)
class Losses:
    """Losses of every target of some windows: (windows, T), with the UTF-8 bytes of the same targets."""

    nats: np.ndarray
    n_bytes: int

    def scores(self) -> Scores:
        """loss (nats/token), perplexity, bits_per_byte over all targets."""
        return scores(float(self.nats.sum()), self.nats.size, self.n_bytes)

    def by_position(self) -> list[float]:
        """T mean losses: the first is of targets that see one token of context, the last of those that see T."""
        return self.nats.mean(0).tolist()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No gradient, no dropout meanwhile; the model, or a part of one, is left in its mode."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def window_losses(model: LanguageModel, windows: SlidingWindows, byte_lengths: Tensor, batch_tokens: int) -> Losses:
    """Score every target of the windows, about `batch_tokens` at a time; the model is left in its mode."""
    device = model.tokens.weight.device
    step = max(1, batch_tokens // windows.context_length)
    parts, n_bytes = [], 0
    with evaluating(model):
        for start in range(0, len(windows), step):
            inputs, targets = windows.__getitems__(range(start, min(start + step, len(windows))))
            losses = model.losses(inputs.to(device), targets.to(device))  # (B, T)
            parts.append(losses.cpu().double().numpy())
            n_bytes += int(byte_lengths.cpu()[targets].sum())
    return Losses(np.concatenate(parts), n_bytes)


def last_losses(model: LanguageModel, inputs: np.ndarray, targets: np.ndarray, batch_tokens: int) -> np.ndarray:
    """Losses in nats of the last targets of each window: inputs (N, T), targets (N, s) with s <= T -> (N, s) float64.

    The softmax, most of a tiny model's work, is made for the scored targets only.
    """
    device = model.tokens.weight.device
    n_scored = targets.shape[1]
    step = max(1, batch_tokens // inputs.shape[1])
    parts = []
    with evaluating(model):
        for start in range(0, len(inputs), step):
            ids = torch.from_numpy(inputs[start : start + step].astype(np.int64)).to(device)
            wanted = torch.from_numpy(targets[start : start + step].astype(np.int64)).to(device)
            hidden = model(ids)[:, -n_scored:].flatten(0, 1)  # (B·s, D)
            losses = token_losses(hidden, model.output_table, wanted.flatten(), model.chunk).view_as(wanted)
            parts.append(losses.cpu().double().numpy())
    return np.concatenate(parts)
