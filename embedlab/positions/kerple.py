"""KERPLE: a learned kernel of distance for each head, - p · ln(1 + a · δ) (log) or - a · δ^p (power).

a > 0, and p > 0 (log) or 0 < p <= 2 (power) make the kernel conditionally positive definite. The source keeps them
there by clamping after each step; here softplus and a sigmoid do, so that any optimizer may be used.

Source: Chi et al. 2022, "KERPLE: Kernelized Relative Positional Embedding for Length Extrapolation", equations 4 and 5.
2H learned numbers, shared by all layers; at the start p is uniform in (0, 2) and a in (0, 1), and neither is nearer to
an end than 0.01, as in the authors' code (ParallelKerpleLog and ParallelKerplePower in their copy of GPT-NeoX).
Oracle: a slow loop of the formulas.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.settings import one_of, setting
from embedlab.positions.base import Scheme, distances
from embedlab.positions.config import PositionConfig, Shape

KERNELS = ("log", "power")


@dataclass(slots=True)
class KerpleConfig(PositionConfig):
    """A learned kernel of distance."""

    kernel: str = setting("shape of the kernel: log or power", "log")

    def validate(self, shape: Shape) -> None:
        one_of(KERNELS, position__kernel=self.kernel)

    def build(self, shape: Shape) -> "Kerple":
        return Kerple(self, shape)


class Kerple(Scheme):
    config: KerpleConfig

    def __init__(self, config: KerpleConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        H = shape.n_heads
        p, a = torch.rand(H, 1, 1) * 1.98 + 0.01, torch.rand(H, 1, 1) * 0.98 + 0.01  # off the ends: finite inverses
        self.raw_p = nn.Parameter((p / 2).logit() if config.kernel == "power" else p.expm1().log())
        self.raw_a = nn.Parameter(a.expm1().log())  # softplus's inverse

    @property
    def p(self) -> Tensor:
        """(H, 1, 1), positive."""
        return 2 * self.raw_p.sigmoid() if self.config.kernel == "power" else F.softplus(self.raw_p)

    @property
    def a(self) -> Tensor:
        """(H, 1, 1), positive."""
        return F.softplus(self.raw_a)

    def bias(self, positions: Tensor, layer: int) -> Tensor:
        delta = distances(positions).clamp(min=0)
        if self.config.kernel == "log":
            return -self.p * torch.log1p(self.a * delta)
        # 0^p has no finite gradient in p: take 1^p there and let δ > 0 remove it
        return -self.a * delta.clamp(min=1) ** self.p * (delta > 0)
