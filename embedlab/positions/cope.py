"""CoPE: positions counted by content; the query decides which of the tokens back to a key are counted.

p[i, j] = Σ σ(q_i · k_l / √K) over l = j … i, at most max_positions - 1; logits[i, j] += q_i · e[p], where e at a
fraction is interpolated between its two neighbours. Gates read masked logits, so that no future token is counted.
q · e is not divided by √K, as in the source's code.

Source: Golovneva et al. 2024, "Contextual Position Encoding" (arXiv 2405.18719), equations 3 to 5 and appendix B. One
table for each layer, shared by its heads: n_layers · max_positions · K parameters (the source initialises them to 0).
Reference: x-transformers' CoPE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embedlab.config.settings import at_least, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


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
        vectors = self.vectors[site.layer, : len(site.keys) + 1]  # no query counts more than the keys
        count: Callable[..., Tensor] = _Counted.apply
        return logits + count(logits, q @ vectors.T)

    def table(self) -> Tensor:
        return self.vectors[0]


class _Counted(torch.autograd.Function):
    """q · e[p] of all pairs; its own gradient keeps two tensors and passes over them half as often as autograd."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, table: Tensor) -> Tensor:
        """Return the table q · e (B, H, Tq, rows) read at the counted positions of logits (B, H, Tq, Tk)."""
        gates = logits.sigmoid()  # 0 where masked
        ctx.save_for_backward(gates, table)
        lower, upper, share = _neighbours(gates, table.size(-1))
        return table.gather(-1, lower).lerp_(table.gather(-1, upper), share)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        gates, table = ctx.saved_tensors
        lower, upper, share = _neighbours(gates, table.size(-1))
        d_counted = table.gather(-1, upper).sub_(table.gather(-1, lower)).mul_(gradient)
        d_logits = d_counted.cumsum(-1).mul_(gates).mul_(1 - gates)
        d_upper = gradient * share
        d_table = torch.zeros_like(table).scatter_add_(-1, upper, d_upper)
        return d_logits, d_table.scatter_add_(-1, lower, gradient - d_upper)


def _neighbours(gates: Tensor, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows below and above each counted position, and the share of the one above, each (B, H, Tq, Tk)."""
    counted = (gates - gates.cumsum(-1)).add_(gates.sum(-1, keepdim=True)).clamp_(0, rows - 1)  # from j to i
    lower = counted.long()
    return lower, (lower + 1).clamp_(max=rows - 1), counted.sub_(lower)
