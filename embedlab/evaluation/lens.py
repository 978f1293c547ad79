"""Position lens: how attention depends on distance, on the same axis for every scheme.

Measured for each layer and head: the mean logit and the mean weight of a key δ = 0, 1, … tokens before its query.
ALiBi's slopes, T5's buckets and rotary's waves all act through the logits, so a wrapper around the scheme records them
where attention uses them.

B windows, H heads, T window.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.config.tree import Config
from embedlab.evaluation.loss import evaluating
from embedlab.model.blocks import AttentionHead
from embedlab.model.embeddings import LanguageModel
from embedlab.positions.base import Scheme
from embedlab.positions.composed import Composed
from embedlab.positions.site import Site, square
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
        "logits": [_plain(mean_by_distance(join(blocks, -torch.inf))) for blocks in watched.logits],
        "weights": [_plain(mean_by_distance(join(blocks, 0.0))) for blocks in watched.seen_weights],
    }


def attention_by_distance(model: LanguageModel, ids: Tensor) -> Tensor | None:
    """Measure the mean weight that a query gives the key 0 … T-1 tokens back: ids (B, T) -> (layers, H, T).

    The mean is over all queries of all windows that have such a key. Returns None for a head without attention.
    """
    if (watched := watch(model, ids)) is None:
        return None
    return torch.stack([mean_by_distance(join(blocks, 0.0)) for blocks in watched.seen_weights]).float().cpu()


def watch(model: LanguageModel, ids: Tensor) -> "Watched | None":
    """Run the model on ids (B, T) and return the scheme that recorded it; None for a head without attention."""
    if not isinstance(model.head, AttentionHead):
        return None
    watched = Watched(model.scheme)
    with evaluating(model):
        ids = ids.to(model.tokens.weight.device)
        positions = torch.arange(ids.size(1), device=ids.device)
        model.head(model.scheme.embed(model.tokens(ids), square(positions)), watched, positions)
    return watched


class Watched(Composed):
    """A scheme that keeps the logits and weights of each layer, in blocks of queries as attention computes them.

    Its own `weights` makes attention take the explicit path, whatever the scheme itself needs.
    """

    def __init__(self, scheme: Scheme) -> None:
        super().__init__(scheme.config, scheme.shape, [scheme])
        self.logits: list[list[Tensor]] = [[] for _ in range(scheme.shape.n_layers)]  # (B, H, Tq, Tk) each
        self.seen_weights: list[list[Tensor]] = [[] for _ in range(scheme.shape.n_layers)]

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return super().hooks(layer) | {"weights"}

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        weights = super().weights(logits, site)
        self.logits[site.layer].append(logits)
        self.seen_weights[site.layer].append(weights)
        return weights


def join(blocks: list[Tensor], future: float) -> Tensor:
    """Join blocks (B, H, Tq, Tk) of queries in any order into (B, H, T, T), with `future` for keys past a block."""
    blocks = sorted(blocks, key=lambda block: block.size(-1))
    T = blocks[-1].size(-1)
    return torch.cat([F.pad(block, (0, T - block.size(-1)), value=future) for block in blocks], dim=-2)


def mean_by_distance(matrix: Tensor) -> Tensor:
    """Average the finite entries δ below the diagonal, nan if none: (B, H, T, T), rows are queries -> (H, T)."""
    T = matrix.size(-1)
    by_distance = [matrix.diagonal(-distance, -2, -1).cpu().double() for distance in range(T)]  # each (B, H, T - δ)
    return torch.stack([x.where(x.isfinite(), torch.nan).nanmean((0, 2)) for x in by_distance], -1)


def _plain(means: Tensor) -> list[list[float | None]]:
    """Convert to numbers that JSON can hold, with as many digits as a chart needs."""
    return [[None if value != value else float(f"{value:.5g}") for value in row] for row in means.tolist()]
