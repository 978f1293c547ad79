"""Position lens: how attention depends on distance, on the same axis for every scheme.

Measured for each layer and head: the mean logit and the mean weight of a key δ = 0, 1, … tokens before its query.
ALiBi's slopes, T5's buckets and rotary's waves all act through the logits, so a wrapper around the scheme records them
where attention uses them.

B windows, H heads, T window.
"""

import numpy as np
import torch
from torch import Tensor

from embedlab.config.tree import Config
from embedlab.evaluation.loss import evaluating
from embedlab.model.blocks import AttentionHead
from embedlab.model.embeddings import LanguageModel
from embedlab.positions.base import Scheme
from embedlab.runs.measured import PositionLens

WINDOWS = 8  # windows of the trained length, spread evenly over the text


def position_lens(model: LanguageModel, ids: np.ndarray, config: Config) -> PositionLens | None:
    """Measure logits and weights by distance: [layer][head][distance], means over all queries that have such a key.

    `windows` is the number of windows measured. A distance whose logits are all -inf (a scheme with a limited reach)
    has the logit None. Returns None for a head without attention.
    """
    T = config.data.context_length
    starts = np.unique(np.linspace(0, len(ids) - T, WINDOWS).astype(np.int64))
    windows = torch.from_numpy(ids[starts[:, None] + np.arange(T)].astype(np.int64))
    if (watched := watch(model, windows)) is None:
        return None
    return {
        "windows": len(starts),
        "logits": [_plain(mean_by_distance(logits)) for logits in watched.logits],
        "weights": [_plain(mean_by_distance(weights)) for weights in watched.weights],
    }


def attention_by_distance(model: LanguageModel, ids: Tensor) -> Tensor | None:
    """Measure the mean weight that a query gives the key 0 … T-1 tokens back: ids (B, T) -> (layers, H, T).

    The mean is over all queries of all windows that have such a key. Returns None for a head without attention.
    """
    if (watched := watch(model, ids)) is None:
        return None
    return torch.stack([mean_by_distance(weights) for weights in watched.weights]).float().cpu()


def watch(model: LanguageModel, ids: Tensor) -> "Watched | None":
    """Run the model on ids (B, T) and return the scheme that recorded it; None for a head without attention."""
    if not isinstance(model.head, AttentionHead):
        return None
    watched = Watched(model.scheme)
    with evaluating(model):
        ids = ids.to(model.tokens.weight.device)
        positions = torch.arange(ids.size(1), device=ids.device)
        model.head(model.scheme.embed(model.tokens(ids), positions), watched, positions)
    return watched


class Watched(Scheme):
    """A wrapper that records the logits and weights of each layer, in the order of the layers.

    Its hooks `score` and `values` make attention compute explicit logits, whatever the wrapped scheme needs.
    """

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme.config, scheme.shape)
        self.scheme = scheme
        self.logits: list[Tensor] = []  # (B, H, T, T) a layer
        self.weights: list[Tensor] = []

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return self.scheme.hooks(layer) | {"score", "values"}

    def rotate(self, q: Tensor, k: Tensor, positions: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        return self.scheme.rotate(q, k, positions, layer)

    def bias(self, positions: Tensor, layer: int) -> Tensor:
        return self.scheme.bias(positions, layer)

    def score(self, q: Tensor, k: Tensor, x: Tensor | None, logits: Tensor, positions: Tensor, layer: int) -> Tensor:
        if "score" in self.scheme.hooks(layer):
            logits = self.scheme.score(q, k, x, logits, positions, layer)
        self.logits.append(logits)
        return logits

    def values(self, weights: Tensor, v: Tensor, positions: Tensor, layer: int) -> Tensor:
        self.weights.append(weights)
        if "values" in self.scheme.hooks(layer):
            return self.scheme.values(weights, v, positions, layer)
        return weights @ v


def mean_by_distance(matrix: Tensor) -> Tensor:
    """Average the finite entries δ below the diagonal, nan if none: (B, H, T, T), rows are queries -> (H, T)."""
    T = matrix.size(-1)
    by_distance = [matrix.diagonal(-distance, -2, -1).cpu().double() for distance in range(T)]  # each (B, H, T - δ)
    return torch.stack([x.where(x.isfinite(), torch.nan).nanmean((0, 2)) for x in by_distance], -1)


def _plain(means: Tensor) -> list[list[float | None]]:
    """Convert to numbers that JSON can hold, with as many digits as a chart needs."""
    return [[None if value != value else float(f"{value:.5g}") for value in row] for row in means.tolist()]
