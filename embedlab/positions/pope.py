"""PoPE: what a dimension says goes into a magnitude, where the token stands into a phase, and the two never mix.

logits[i, j] = Σ_c softplus(q_ic) · softplus(k_jc) · cos((i - j) · θ_c - φ_c) / √K with θ_c = base^(-c/K) and a learned
phase φ_c in [-2π, 0] for each head. Query c becomes the plane vector of length softplus(q_ic) and angle i · θ_c, key c
the one of angle j · θ_c + φ_c, so both are 2K wide and the dot product does the rest.

Source: Gopalakrishnan et al. 2025, "Decoupling the 'What' and 'Where' With Polar Coordinate Positional Embeddings".
H · K learned numbers, shared by all layers as in the oracles, 0 at the start.
Oracles: x-transformers' PolarEmbedding, PoPE-pytorch 0.2.1 (recorded).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class PopeConfig(PositionConfig):
    """Magnitudes say what, phases say where."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "Pope":
        return Pope(self, shape)


class Pope(Scheme):
    config: PopeConfig
    beyond = "turns on past the window, by angles that training never showed"

    def __init__(self, config: PopeConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.phase = nn.Parameter(torch.zeros(shape.n_heads, 1, shape.head_dim))

    def rotate(self, q: Tensor, k: Tensor, positions: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """q, k (B, H, T, K) -> (B, H, T, 2K)."""
        K = q.size(-1)
        frequencies = self.config.base ** -(torch.arange(K, dtype=torch.float64, device=q.device) / K)
        angles = positions.double()[:, None] * frequencies  # (T, K)
        key_angles = angles + self.phase.clamp(-2 * math.pi, 0)  # (H, T, K)
        return polar(q, angles), polar(k, key_angles)

    def table(self) -> Tensor:
        return self.phase.flatten(1)  # (H, K)


def polar(x: Tensor, angles: Tensor) -> Tensor:
    """x (B, H, T, K) -> (B, H, T, 2K): plane vectors of length softplus(x), their cosine parts before the sine ones."""
    length = F.softplus(x)
    return torch.cat([length * angles.cos().to(x.dtype), length * angles.sin().to(x.dtype)], dim=-1)
