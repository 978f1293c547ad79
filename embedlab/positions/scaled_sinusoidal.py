"""Sinusoidal positions times one learned number: x + s · S[i], s = D^-½ at the start.

Full-size waves would drown small token vectors; the scale lets training choose how loud positions are.
S is that of `sinusoidal`: sines before cosines.

Source: Hua et al. 2022, "Transformer Quality in Linear Time" (ScaledSin). 1 learned number.
Oracle: x-transformers' ScaledSinusoidalEmbedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.sinusoidal import sinusoids


@dataclass(slots=True)
class ScaledSinusoidalConfig(PositionConfig):
    """Fixed waves, as loud as training makes them."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)

    def build(self, shape: Shape) -> "ScaledSinusoidal":
        return ScaledSinusoidal(self, shape)


class ScaledSinusoidal(Scheme):
    config: ScaledSinusoidalConfig
    beyond = "goes on past the window, with sums that training never showed"

    def __init__(self, config: ScaledSinusoidalConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.scale = nn.Parameter(torch.tensor(shape.embedding_dim**-0.5))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """x (B, T, D) + s · S[positions] (T, D)."""
        return x + self.scale * sinusoids(positions, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        places = torch.arange(self.shape.context_length, device=self.scale.device)
        return self.scale * sinusoids(places, self.shape.embedding_dim, self.config.base)
