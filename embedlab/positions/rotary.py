"""Rotary positions (RoPE): turn each pair of dimensions of queries and keys by an angle that grows with position.

Pair m of the R = fraction · K rotated dimensions turns by i · base^(-2m/R), so that q_i · k_j depends on i - j alone.
A pair is (m, m + R/2) in the `half` layout (GPT-NeoX, Llama), (2m, 2m + 1) in the `interleaved` one (the paper,
GPT-J); the two agree after permuting dimensions. No parameters.

Scalings stretch the angles for texts `factor` times the window: `linear` divides every angle by the factor; `ntk`
(static, by base · factor^(R/(R-2))) keeps the fast pairs and slows the slowest by the factor; `yarn` divides only
pairs that turn less than 32 times in the window, fully those that turn less than once, and multiplies cos and sin by
0.1 · ln(factor) + 1. A scaling acts in both training and evaluation.

Sources: Su et al. 2021, "RoFormer" (arXiv 2104.09864), equation 34; Chen et al. 2023 (linear, arXiv 2306.15595); bloc97
2023 (ntk); Peng et al. 2023, "YaRN" (arXiv 2309.00071), section 3. References: transformers' GPT-NeoX and
ROPE_INIT_FUNCTIONS, x-transformers' RotaryEmbedding.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.settings import check_base, one_of, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site

LAYOUTS = ("half", "interleaved")
SCALINGS = ("none", "linear", "ntk", "yarn")
YARN_TURNS = (32, 1)  # turns in the window from which on a pair is unchanged, and below which it is fully stretched


@dataclass(slots=True)
class RotaryConfig(PositionConfig):
    """Settings of `rotary`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    fraction: float = setting("share of a head's dimensions that turn, above 0 to 1", 1.0)
    layout: str = setting("which dimensions turn together: half (m, m + R/2) or interleaved (2m, 2m + 1)", "half")
    scaling: str = setting("how angles are scaled for longer texts: none, linear, ntk or yarn", "none")
    factor: float = setting("length that the scaling is for, in windows; 1 without scaling", 1.0)

    def validate(self, shape: Shape) -> None:
        one_of(LAYOUTS, position__layout=self.layout)
        one_of(SCALINGS, position__scaling=self.scaling)
        check_base(self.base)
        if not 0 < self.fraction <= 1:
            raise UserError(f"position.fraction={self.fraction} is out of range: give a number above 0, at most 1")
        least = 4 if self.scaling == "ntk" else 2
        if self.n_rotated(shape) < least:
            raise UserError(
                f"position.fraction={self.fraction} of {shape.head_dim} dimensions a head rotates fewer than {least}: "
                "raise it, or give wider heads by model.n_heads or model.embedding_dim"
            )
        if (self.scaling == "none") != (self.factor == 1) or self.factor < 1:
            raise UserError(
                f"position.factor={self.factor} does not go with position.scaling={self.scaling}: "
                "give 1 for none, more than 1 for linear, ntk or yarn"
            )

    def n_rotated(self, shape: Shape) -> int:
        """Return R, an even number of dimensions."""
        return int(shape.head_dim * self.fraction) // 2 * 2

    def build(self, shape: Shape) -> "Rotary":
        return Rotary(self, shape)


class Rotary(Scheme):
    """Queries and keys turned by angles of their positions."""

    config: RotaryConfig
    beyond = "continues past the window, with angles not seen in training"

    def __init__(self, config: RotaryConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.n_rotated = config.n_rotated(shape)

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        angles = site.keys.double()[:, None] * self.frequencies().to(q.device)  # (T, R/2)
        magnitude = 0.1 * math.log(self.config.factor) + 1 if self.config.scaling == "yarn" else 1.0
        cos, sin = (angles.cos() * magnitude).to(q.dtype), (angles.sin() * magnitude).to(q.dtype)
        return turn(q, cos, sin, self.config.layout), turn(k, cos, sin, self.config.layout)

    def frequencies(self) -> Tensor:
        """Return the angle by which each pair turns from token to token: (R/2,) float64."""
        config, R = self.config, self.n_rotated
        base = config.base * config.factor ** (R / (R - 2)) if config.scaling == "ntk" else config.base
        frequencies = base ** -(torch.arange(0, R, 2, dtype=torch.float64) / R)
        if config.scaling == "linear":
            return frequencies / config.factor
        if config.scaling == "yarn":
            stretched = yarn_ramp(R, base, self.shape.context_length)
            return frequencies * (1 - stretched) + frequencies / config.factor * stretched
        return frequencies


def yarn_ramp(R: int, base: float, context_length: int) -> Tensor:
    """Return (R/2,) from 0 (pair unchanged) to 1 (pair fully stretched)."""
    first, last = (R * math.log(context_length / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in YARN_TURNS)
    low, high = max(math.floor(first), 0), min(math.ceil(last), R - 1)
    return ((torch.arange(R // 2, dtype=torch.float64) - low) / max(high - low, 0.001)).clamp(0, 1)


def turn(x: Tensor, cos: Tensor, sin: Tensor, layout: str) -> Tensor:
    """Turn the first R dimensions of x (B, H, T, K) by the angles of cos, sin (T, R/2); keep the others."""
    R = 2 * cos.size(-1)
    moving, rest = x[..., :R], x[..., R:]
    a, b = moving.chunk(2, dim=-1) if layout == "half" else (moving[..., 0::2], moving[..., 1::2])  # (B, H, T, R/2)
    turned = (a * cos - b * sin, b * cos + a * sin)
    if layout == "half":
        return torch.cat([*turned, rest], dim=-1)
    return torch.cat([torch.stack(turned, dim=-1).flatten(-2), rest], dim=-1)
