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
from embedlab.positions.base import Scheme, Site
from embedlab.positions.config import PositionConfig, Shape


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

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        row = self.get_buffer("row")
        index = row[site.distances.clamp(0, len(row) - 1)]  # (Tq, Tk)
        to_distance = (q @ self._project(self.keys[site.layer])).gather(-1, index.expand_as(logits))  # rows: queries
        to_content = (
            (k @ self._project(self.queries[site.layer])).gather(-1, index.T.expand_as(logits)).mT
        )  # rows were keys before .mT
        scaled: Tensor = (to_distance + to_content) * (3 * q.size(-1)) ** -0.5
        return logits * 3**-0.5 + scaled

    def _project(self, weight: Tensor) -> Tensor:
        """Return P W of one layer, split into heads: (H, K, rows)."""
        return (self.vectors @ weight).view(-1, self.shape.n_heads, self.shape.head_dim).permute(1, 2, 0)

    def table(self) -> Tensor:
        return self.vectors
