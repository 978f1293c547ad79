"""CoPE: positions counted by content; the query decides which of the tokens back to a key are counted.

p[i, j] = Σ σ(q_i · k_l / √K) over l = j … i, at most max_positions - 1; logits[i, j] += q_i · e[p], where e at a
fraction is interpolated between its two neighbours. Gates read masked logits, so that no future token is counted.
q · e is not divided by √K, as in the source's code.

Source: Golovneva et al. 2024, "Contextual Position Encoding" (arXiv 2405.18719), equations 3 to 5 and appendix B. One
table for each layer, shared by its heads: n_layers · max_positions · K parameters (the source initialises them to 0).
Reference: x-transformers' CoPE.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import at_least, setting
from embedlab.positions.base import Scheme, Site
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class CopeConfig(PositionConfig):
    """Settings of `cope`."""

    max_positions: int | None = setting("number of counted positions, each with a vector; null: window", None)
    init_std: float = setting("standard deviation of the vectors at initialisation", 0.02)

    def validate(self, shape: Shape) -> None:
        at_least(0, position__init_std=self.init_std)
        if self.max_positions is not None:
            at_least(1, position__max_positions=self.max_positions)

    def cautions(self, shape: Shape) -> list[str]:
        if self.max_positions is None or self.max_positions <= shape.context_length + 1:
            return []
        return [
            f"position.max_positions={self.max_positions} is more than a window of {shape.context_length} tokens can "
            "count, so the last vectors are never trained: lower it"
        ]

    def build(self, shape: Shape) -> "Cope":
        return Cope(self, shape)


class Cope(Scheme):
    """Logits plus q · e[p], with p counted by gates."""

    def __init__(self, config: CopeConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        rows = config.max_positions or shape.context_length
        self.beyond = f"continues to count past the window, up to {rows - 1}"
        self.vectors = nn.Parameter(torch.randn(shape.n_layers, rows, shape.head_dim) * config.init_std)

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        vectors = self.vectors[site.layer]  # (rows, K)
        gates = logits.sigmoid()  # 0 where masked
        counted = gates.flip(-1).cumsum(-1).flip(-1).clamp(max=len(vectors) - 1)  # (B, H, Tq, Tk), from j to i
        below = counted.detach().floor()
        share = counted - below
        by_position = q @ vectors.T  # (B, H, Tq, rows)
        lower = by_position.gather(-1, below.long())
        upper = by_position.gather(-1, (below.long() + 1).clamp(max=len(vectors) - 1))
        return logits + lower * (1 - share) + upper * share

    def table(self) -> Tensor:
        return self.vectors[0]
