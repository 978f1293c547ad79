"""Sinusoidal positions: x + S[i], fixed waves of falling frequency; no parameters.

S[i, m] = sin(i / base^(2m/D)) for the first ⌈D/2⌉ columns, cos of the same angles for the rest: the sines stand
before the cosines (concatenated, as in tensor2tensor), not interleaved as the paper writes them; for a linear layer the
two orders are equivalent. The paper first multiplies the token vectors by √D; here no scheme does, so waves are large
compared with token vectors of small initial size. `scaled_sinusoidal` lets training choose their size.

Source: Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762), section 3.5.
Reference: transformers' MarianSinusoidalPositionalEmbedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class SinusoidalConfig(PositionConfig):
    """Settings of `sinusoidal`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "Sinusoidal":
        return Sinusoidal(self, shape)


class Sinusoidal(Scheme):
    """Token vectors plus fixed waves."""

    config: SinusoidalConfig
    beyond = "continues past the window, with sums not seen in training"

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) + S[positions] (T, D)."""
        return x + sinusoids(site.keys, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        return sinusoids(torch.arange(self.shape.context_length), self.shape.embedding_dim, self.config.base)


def sinusoids(positions: Tensor, dim: int, base: float) -> Tensor:
    """Return sines of all frequencies, then their cosines: (T,) -> (T, dim) float32.

    >>> sinusoids(torch.tensor([0, 1]), 2, 10_000.0).tolist()  # sin(0), cos(0); sin(1), cos(1)
    [[0.0, 1.0], [0.8414709568023682, 0.5403022766113281]]
    """
    half = (dim + 1) // 2  # an odd width has one more sine than cosines
    exponents = torch.arange(half, device=positions.device, dtype=torch.float64) * 2 / dim
    angles = positions.double()[:, None] * base**-exponents  # (T, half); float64 keeps the phase of far positions
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :dim].float()
