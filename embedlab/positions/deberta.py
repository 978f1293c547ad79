"""DeBERTa's disentangled attention: products of content with content, content with distance, distance with content.

logits[i, j] = (q_i · k_j + q_i · k^r[δ] + k_j · q^r[δ]) / √(3K), k^r = P W_k, q^r = P W_q, where P holds one vector of
width D for each distance, shared by all layers, and each layer has its own W_k, W_q. The paper writes the last index as
δ(j, i), the distance seen from the key; its code, and so this one, takes the same row of P for both. Only rows δ >= 0
exist here, since a causal model uses no others. The paper gives each distance its own row; with `buckets`, as in
DeBERTa-v2, half of the rows hold one distance each and the rest logarithmic ranges up to max_distance.

Source: He et al. 2021, "DeBERTa" (arXiv 2006.03654), equation 4; DeBERTa-v2's code for the buckets (without its layer
norm on P and its biases). rows · D + n_layers · 2D² parameters. Reference: transformers' DeBERTa-v2
DisentangledSelfAttention.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.distance_rows import add_rows_of_keys, rows_of_queries
from embedlab.positions.site import Site


@dataclass(slots=True)
class DebertaConfig(PositionConfig):
    """Settings of `deberta`."""

    buckets: int | None = setting(
        "number of rows, far distances sharing them in logarithmic ranges; null: one row a distance", None
    )
    max_distance: int | None = setting("distance in tokens from which on all share the last row; null: window", None)
    init_std: float = setting("standard deviation of P at initialisation", 0.02)

    def rows(self, shape: Shape) -> list[int]:
        """Return the row of each distance 0 … max_distance - 1."""
        farthest = shape.context_length if self.max_distance is None else self.max_distance
        if self.buckets is None:
            return list(range(farthest))
        exact = self.buckets // 2
        step = math.log((farthest - 1) / exact) / (exact - 1)
        far = (exact + math.ceil(round(math.log(delta / exact) / step, 9)) for delta in range(exact + 1, farthest))
        return [*range(exact + 1), *(min(row, self.buckets - 1) for row in far)]

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        if self.max_distance is not None:
            at_least(1, position__max_distance=self.max_distance)
        if self.buckets is not None:
            at_least(4, position__buckets=self.buckets)
            farthest = shape.context_length if self.max_distance is None else self.max_distance
            if farthest < self.buckets // 2 + 2:
                raise UserError(
                    f"position.buckets={self.buckets} is too many for distances up to {farthest} tokens: "
                    f"give at most {2 * farthest - 4}, or null"
                )

    def cautions(self, shape: Shape) -> list[str]:
        rows = self.rows(shape)
        n_rows = self.buckets or len(rows)
        untrained = n_rows - len(set(rows[: shape.context_length]))
        if not untrained:
            return []
        return [
            f"position.buckets={self.buckets} with position.max_distance={len(rows)} leaves {untrained} rows that no "
            f"distance in a window of {shape.context_length} tokens reaches, so they are never trained: "
            "lower one of them"
        ]

    def build(self, shape: Shape) -> "Deberta":
        return Deberta(self, shape)


class Deberta(Scheme):
    """Logits plus content-to-distance and distance-to-content products."""

    def __init__(self, config: DebertaConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        rows, D = config.rows(shape), shape.embedding_dim
        self.beyond = f"all distances from {len(rows) - 1} tokens on share the last row"
        self.register_buffer("row", torch.tensor(rows), persistent=False)
        self.vectors = nn.Parameter(torch.randn(config.buckets or len(rows), D) * config.init_std)  # P (rows, D)
        self.keys = nn.Parameter(torch.randn(shape.n_layers, D, D) * D**-0.5)
        self.queries = nn.Parameter(torch.randn(shape.n_layers, D, D) * D**-0.5)

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Divide queries by √3, so that each of the three products is divided by √(3K)."""
        return q * 3**-0.5, k

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        vectors = self.vectors[self.get_buffer("row")] * self.shape.head_dim**-0.5  # (max_distance, D)
        logits = logits + rows_of_queries(q, self._project(vectors, self.keys[site.layer]), site)
        return add_rows_of_keys(logits, k, self._project(vectors, self.queries[site.layer]) * 3**-0.5, site)

    def _project(self, vectors: Tensor, weight: Tensor) -> Tensor:
        """Return P W of one layer, split into heads: (H, distances, K)."""
        return (vectors @ weight).view(-1, self.shape.n_heads, self.shape.head_dim).transpose(0, 1)

    def table(self) -> Tensor:
        return self.vectors
