"""PoPE: content sets the magnitude of each dimension, position its phase, and the two stay separate.

logits[i, j] = Σ_c softplus(q_ic) · softplus(k_jc) · cos((i - j) · θ_c - φ_c) / √K with θ_c = base^(-c/K) and a learned
phase φ_c in [-2π, 0] for each head. Component c of a query becomes a vector in the plane with length softplus(q_ic) and
angle i · θ_c, that of a key one with angle j · θ_c + φ_c; so both are 2K wide, and their dot product is the formula.

Source: Gopalakrishnan et al. 2025, "Decoupling the 'What' and 'Where' With Polar Coordinate Positional Embeddings"
(arXiv 2509.10534). H · K parameters, shared by all layers as in the references, initially 0.
References: x-transformers' PolarEmbedding, PoPE-pytorch 0.2.1 (recorded).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class PopeConfig(PositionConfig):
    """Settings of `pope`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "Pope":
        return Pope(self, shape)


class Pope(Scheme):
    """Queries and keys as vectors in the plane, twice as wide."""

    config: PopeConfig
    beyond = "continues past the window, with angles not seen in training"

    def __init__(self, config: PopeConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.phase = nn.Parameter(torch.zeros(shape.n_heads, 1, shape.head_dim))

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Return q and k (B, H, T, K) as (B, H, T, 2K)."""
        K = q.size(-1)
        frequencies = self.config.base ** -(torch.arange(K, dtype=torch.float64, device=q.device) / K)
        angles = site.keys.double()[:, None] * frequencies  # (T, K)
        key_angles = angles + self.phase.clamp(-2 * math.pi, 0)  # (H, T, K)
        return to_plane(q, angles), to_plane(k, key_angles)

    def table(self) -> Tensor:
        return self.phase.flatten(1)  # (H, K)


def to_plane(x: Tensor, angles: Tensor) -> Tensor:
    """Return x (B, H, T, K) as plane vectors of length softplus(x): (B, H, T, 2K), all cosines before all sines."""
    length = F.softplus(x)
    return torch.cat([length * angles.cos().to(x.dtype), length * angles.sin().to(x.dtype)], dim=-1)
