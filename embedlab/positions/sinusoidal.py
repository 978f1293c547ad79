"""Sinusoidal positions: x + S[i], fixed waves of falling frequency; nothing is learned.

S[i, m] = sin(i / base^(2m/D)) for the first ⌈D/2⌉ columns, cos of the same angles for the rest: the sines stand
before the cosines (concatenated, as in tensor2tensor), not in turn as the paper writes them. A linear layer cannot
tell the two orders apart. The paper first multiplies the token vectors by √D; here no scheme does, so waves are loud
beside small token vectors, and `scaled_sinusoidal` lets training choose how loud.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5. No learned numbers.
Oracle: transformers' MarianSinusoidalPositionalEmbedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class SinusoidalConfig(PositionConfig):
    """Fixed waves added to the token vectors."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "Sinusoidal":
        return Sinusoidal(self, shape)


class Sinusoidal(Scheme):
    config: SinusoidalConfig
    beyond = "goes on past the window, with sums that training never showed"

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D) + S[positions] (T, D)."""
        return x + sinusoids(positions, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        return sinusoids(torch.arange(self.shape.context_length), self.shape.embedding_dim, self.config.base)


def sinusoids(positions: Tensor, dim: int, base: float) -> Tensor:
    """(T,) -> (T, dim) float32: sines of all frequencies, then their cosines.

    >>> sinusoids(torch.tensor([0, 1]), 2, 10_000.0).tolist()  # sin(0), cos(0); sin(1), cos(1)
    [[0.0, 1.0], [0.8414709568023682, 0.5403022766113281]]
    """
    half = (dim + 1) // 2  # an odd width has one sine more than cosines
    exponents = torch.arange(half, device=positions.device, dtype=torch.float64) * 2 / dim
    angles = positions.double()[:, None] * base**-exponents  # (T, half); float64: far positions keep their phase
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :dim].float()
