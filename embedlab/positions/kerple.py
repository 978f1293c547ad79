"""KERPLE: a learned kernel of distance for each head, - p · ln(1 + a · δ) (log) or - a · δ^p (power).

a > 0, and p > 0 (log) or 0 < p <= 2 (power) make the kernel conditionally positive definite. The source
clamps them after each step; here softplus and a sigmoid keep them in range, so that any optimizer works.

Source: Chi et al. 2022, "KERPLE: Kernelized Relative Positional Embedding for Length Extrapolation" (arXiv 2205.09921),
equations 4 and 5. 2H parameters, shared by all layers; initially p is uniform in (0, 2) and a in (0, 1), each at least
0.01 away from the ends, as in the authors' code (ParallelKerpleLog and ParallelKerplePower in their copy of GPT-NeoX).
Reference: a slow loop of the formulas.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.settings import one_of, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site

KERNELS = ("log", "power")


@dataclass(slots=True)
class KerpleConfig(PositionConfig):
    """Settings of `kerple`."""

    kernel: str = setting("shape of the kernel: log or power", "log")

    def validate(self, shape: Shape) -> None:
        one_of(KERNELS, position__kernel=self.kernel)

    def build(self, shape: Shape) -> "Kerple":
        return Kerple(self, shape)


class Kerple(Scheme):
    """Bias by a learned kernel of distance."""

    config: KerpleConfig

    def __init__(self, config: KerpleConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        H = shape.n_heads
        p, a = (
            torch.rand(H, 1, 1) * 1.98 + 0.01,
            torch.rand(H, 1, 1) * 0.98 + 0.01,
        )  # away from the ends: their inverses are infinite
        self.raw_p = nn.Parameter((p / 2).logit() if config.kernel == "power" else p.expm1().log())
        self.raw_a = nn.Parameter(a.expm1().log())  # the inverse of softplus

    @property
    def p(self) -> Tensor:
        """Exponent or factor p of each head: (H, 1, 1), positive."""
        return 2 * self.raw_p.sigmoid() if self.config.kernel == "power" else F.softplus(self.raw_p)

    @property
    def a(self) -> Tensor:
        """Scale a of each head: (H, 1, 1), positive."""
        return F.softplus(self.raw_a)

    def bias(self, site: Site) -> Tensor:
        delta = site.distances.clamp(min=0)
        if self.config.kernel == "log":
            return -self.p * torch.log1p(self.a * delta)
        # 0^p has no finite gradient in p: use 1^p there and set the product to 0 by δ > 0
        return -self.a * delta.clamp(min=1) ** self.p * (delta > 0)
