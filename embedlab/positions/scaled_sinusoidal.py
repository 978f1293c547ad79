"""Sinusoidal positions times one learned scale: x + s · S[i], s = D^-½ initially.

Waves of full size are far larger than token vectors of small initial size; the scale lets training choose.
S is that of `sinusoidal`: sines before cosines.

Source: Hua et al. 2022, "Transformer Quality in Linear Time" (arXiv 2202.10447; ScaledSin). 1 parameter.
Reference: x-transformers' ScaledSinusoidalEmbedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.sinusoidal import sinusoids
from embedlab.positions.site import Site


@dataclass(slots=True)
class ScaledSinusoidalConfig(PositionConfig):
    """Settings of `scaled_sinusoidal`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "ScaledSinusoidal":
        return ScaledSinusoidal(self, shape)


class ScaledSinusoidal(Scheme):
    """Token vectors plus scaled fixed waves."""

    config: ScaledSinusoidalConfig
    beyond = "continues past the window, with sums not seen in training"

    def __init__(self, config: ScaledSinusoidalConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.scale = nn.Parameter(torch.tensor(shape.embedding_dim**-0.5))

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) + s · S[positions] (T, D)."""
        return x + self.scale * sinusoids(site.keys, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        positions = torch.arange(self.shape.context_length, device=self.scale.device)
        return self.scale * sinusoids(positions, self.shape.embedding_dim, self.config.base)
