"""xPos: rotary positions whose pairs also decay with distance: q_i · ζ^(i/s), k_j · ζ^(-j/s), together ζ^((i-j)/s).

ζ_m = (2m/K + 0.4) / 1.4 for pair m, s = scale_base: fast pairs (small m) decay fastest. In a causal model only i >= j
occurs; exponents are counted from the middle of the text, which changes no product and keeps the powers small. No
parameters; layout interleaved, as in the sources.

Source: Sun et al. 2022, "A Length-Extrapolatable Transformer" (arXiv 2212.10554), section 3.2 and its torchscale code
(s = 512, γ = 0.4). References: x-transformers' RotaryEmbedding(use_xpos=True), torchscale's XPOS.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.rotary import turn
from embedlab.positions.site import Site


@dataclass(slots=True)
class XposConfig(PositionConfig):
    """Settings of `xpos`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    scale_base: float = setting("distance in tokens at which pair m has decayed to ζ_m", 512.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)
        if self.scale_base <= 0:
            raise UserError(f"position.scale_base={self.scale_base} is out of range: give more than 0, as 512")
        if shape.head_dim % 2:
            raise UserError(
                f"position=xpos rotates pairs, but a head has {shape.head_dim} dimensions: "
                "change model.n_heads or model.embedding_dim"
            )

    def build(self, shape: Shape) -> "Xpos":
        return Xpos(self, shape)


class Xpos(Scheme):
    """Queries and keys turned and scaled by their positions."""

    config: XposConfig
    beyond = "continues to decay past the window, at angles not seen in training"

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        K, positions = q.size(-1), site.keys
        share = torch.arange(0, K, 2, dtype=torch.float64, device=q.device) / K  # (K/2,), 2m/K
        angles = positions.double()[:, None] * self.config.base**-share  # (T, K/2)
        from_middle = (positions - positions[len(positions) // 2]).double()[:, None] / self.config.scale_base
        fade = ((share + 0.4) / 1.4) ** from_middle  # (T, K/2)
        cos, sin = angles.cos(), angles.sin()
        return (
            turn(q, (cos * fade).to(q.dtype), (sin * fade).to(q.dtype), "interleaved"),
            turn(k, (cos / fade).to(k.dtype), (sin / fade).to(k.dtype), "interleaved"),
        )
