"""Sinusoidal positions times one learned scale: x + s · S[i]; S is that of `sinusoidal`, sines before cosines.

The paper starts with s = D^-½. In x-transformers that is beside token vectors of RMS (2/D)^½, so the waves, whose RMS
is √½, start with half the RMS of the token vectors. Here they do beside token vectors of any size (`loudness`).

Source: Hua et al. 2022, "Transformer Quality in Linear Time" (arXiv 2202.10447; ScaledSin). 1 parameter.
Reference: x-transformers' ScaledSinusoidalEmbedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedlab.config.settings import at_least, check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape, loudness_cautions
from embedlab.positions.sinusoidal import sinusoids, wave_scale
from embedlab.positions.site import Site


@dataclass(slots=True)
class ScaledSinusoidalConfig(PositionConfig):
    """Settings of `scaled_sinusoidal`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    loudness: float = setting("RMS of the position vectors over that of the token vectors at the start", 0.5)

    def validate(self, shape: Shape) -> None:
        check_base(self.base)
        at_least(0, position__loudness=self.loudness)

    def cautions(self, shape: Shape) -> list[str]:
        return loudness_cautions(f"position.loudness={self.loudness}", self.loudness)

    def build(self, shape: Shape) -> "ScaledSinusoidal":
        return ScaledSinusoidal(self, shape)


class ScaledSinusoidal(Scheme):
    """Token vectors plus scaled fixed waves."""

    config: ScaledSinusoidalConfig
    beyond = "continues past the window, with sums not seen in training"

    def __init__(self, config: ScaledSinusoidalConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        source_rms = (2 / shape.embedding_dim) ** 0.5  # of token vectors in x-transformers
        self.scale = nn.Parameter(torch.tensor(wave_scale(shape, config.base, config.loudness, source_rms)))

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) + s · S[positions] (T, D)."""
        return x + self.scale * sinusoids(site.keys, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        positions = torch.arange(self.shape.context_length, device=self.scale.device)
        return self.scale * sinusoids(positions, self.shape.embedding_dim, self.config.base)
