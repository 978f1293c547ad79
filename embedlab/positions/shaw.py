"""Shaw's relative positions: a learned vector for each distance, multiplied by the query; optionally one for values.

logits[i, j] = q_i · (k_j + a[clip(δ, -k, k)]) / √K with δ = i - j; with `values`, out_i = Σ_j w_ij (v_j + b[clip δ]).
The table has 2k + 1 rows, row k + δ for distance δ: with k = L - 1, the default, these are the source chapters'
2L - 1 vectors e(-L+1) … e(L-1). A causal model uses only δ >= 0, the last k + 1 rows, and only they are counted.

Tiny example, k = 1, three tokens: distances [[0,·,·], [1,0,·], [2,1,0]] are clipped to [[0,·,·], [1,0,·], [1,1,0]] and
use rows [[1,·,·], [2,1,·], [2,2,1]].

Source: Shaw et al. 2018, "Self-Attention with Relative Position Representations" (arXiv 1803.02155), equations 3 and 4
(the paper writes the distance as j - i). One table for each layer, shared by its heads, as there: n_layers · (k+1) · K
parameters, twice that with values. References: transformers' wav2vec2_bert keys, fairseq2's ShawRelativePositionSDPA.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import at_least, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.distance_rows import rows_of_queries
from embedlab.positions.site import Site


@dataclass(slots=True)
class ShawConfig(PositionConfig):
    """Settings of `shaw`."""

    clip: int | None = setting("k, the largest distance in tokens with a vector of its own; null: window - 1", None)
    values: bool = setting("whether distances add vectors to the values too", False)
    init_std: float = setting("standard deviation of the vectors at initialisation", 0.02)

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        if self.clip is not None:
            at_least(0, position__clip=self.clip)

    def build(self, shape: Shape) -> "Shaw":
        return Shaw(self, shape)


class Shaw(Scheme):
    """Logits and values plus vectors of distance."""

    def __init__(self, config: ShawConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.clip = shape.context_length - 1 if config.clip is None else config.clip
        self.beyond = f"all distances past {self.clip} share the vector of {self.clip}"
        size = (shape.n_layers, 2 * self.clip + 1, shape.head_dim)
        self.keys = nn.Parameter(torch.randn(size) * config.init_std)
        self.value_vectors = nn.Parameter(torch.randn(size) * config.init_std) if config.values else None

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return frozenset({"score"} if self.value_vectors is None else {"score", "values"})

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        past = self.keys[site.layer, self.clip :] * q.size(-1) ** -0.5  # (k + 1, K), distances 0 … k
        return logits + rows_of_queries(q, past, site)

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        assert self.value_vectors is not None
        index = self._rows(site).expand_as(weights)
        by_distance = weights.new_zeros(*weights.shape[:-1], self.clip + 1)  # (B, H, Tq, k + 1)
        by_distance = by_distance.scatter_add(-1, index, weights)  # total weight of each distance
        return weights @ v + by_distance @ self.value_vectors[site.layer, self.clip :]

    def _rows(self, site: Site) -> Tensor:
        """Return (Tq, Tk) clip(δ, 0, k); negative distances are masked later, so any row will do."""
        return site.distances.clamp(0, self.clip)

    def count_parameters(self) -> int:
        unused = sum(rows[:, : self.clip].numel() for rows in self.parameters())  # distances below 0
        return super().count_parameters() - unused

    def table(self) -> Tensor:
        return self.keys[0]

    def table_rows(self) -> list[str]:
        return [f"distance {row - self.clip}" for row in range(2 * self.clip + 1)]
