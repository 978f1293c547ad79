"""Sinusoidal positions: x + S[i], fixed waves of falling frequency; no parameters.

S[i, m] = sin(i / base^(2m/D)) for the first ⌈D/2⌉ columns, cos of the same angles for the rest: the sines stand
before the cosines (concatenated, as in tensor2tensor), not interleaved as the paper writes them; for a linear layer the
two orders are equivalent. In the paper the waves, whose RMS is √½, are added to token vectors of RMS 1, those of its
table times √D. Here token vectors start smaller (model.init_std), and the waves with them: what counts is their ratio,
`loudness`. With the paper's √½ beside token vectors of RMS 0.02, each wave is multiplied by 0.02. `scaled_sinusoidal`
lets training change the factor.

Source: Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762), section 3.5.
Reference: transformers' MarianSinusoidalPositionalEmbedding.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embedlab.config.settings import at_least, check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape, loudness_cautions
from embedlab.positions.site import Site

PAPER_TOKENS = 1.0  # RMS of the paper's token vectors: a table of standard deviation D^-½, times √D


@dataclass(slots=True)
class SinusoidalConfig(PositionConfig):
    """Settings of `sinusoidal`."""

    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)
    loudness: float = setting(
        "RMS of the position vectors over that of the token vectors at the start; paper: 0.71, which is √½", 0.5**0.5
    )

    def validate(self, shape: Shape) -> None:
        check_base(self.base)
        at_least(0, position__loudness=self.loudness)

    def cautions(self, shape: Shape) -> list[str]:
        return loudness_cautions(f"position.loudness={self.loudness}", self.loudness)

    def build(self, shape: Shape) -> "Sinusoidal":
        return Sinusoidal(self, shape)


class Sinusoidal(Scheme):
    """Token vectors plus fixed waves."""

    config: SinusoidalConfig
    beyond = "continues past the window, with sums not seen in training"
    scale: Tensor  # saved with the weights, because it depends on the token table that training began with

    def __init__(self, config: SinusoidalConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.register_buffer("scale", torch.tensor(wave_scale(shape, config.base, config.loudness, PAPER_TOKENS)))
        self.register_load_state_dict_pre_hook(_add_scale)  # type: ignore[no-untyped-call]  # torch types it not

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) + scale · S[positions] (T, D)."""
        return x + self.scale * sinusoids(site.keys, self.shape.embedding_dim, self.config.base).to(x.dtype)

    def table(self) -> Tensor:
        positions = torch.arange(self.shape.context_length, device=self.scale.device)
        return self.scale * sinusoids(positions, self.shape.embedding_dim, self.config.base)


def _add_scale(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Complete the weights of a run of embedlab 0.2.0: it saved no scale and always added whole waves."""
    state.setdefault(f"{prefix}scale", torch.tensor(1.0))


def wave_scale(shape: Shape, base: float, loudness: float, source_rms: float) -> float:
    """Return the factor that gives S an RMS of `loudness` times that of the token vectors.

    If theirs is unknown or 0, it is taken as that of the scheme's source.
    """
    waves = sinusoids(torch.arange(shape.context_length), shape.embedding_dim, base).double()
    rms = float(waves.square().mean().sqrt())  # √½ at even widths
    return loudness * (shape.token_rms or source_rms) / (rms or 1.0)  # 0: width 1 and one position, sin(0)


def sinusoids(positions: Tensor, dim: int, base: float) -> Tensor:
    """Return sines of all frequencies, then their cosines: (T,) -> (T, dim) float32.

    >>> sinusoids(torch.tensor([0, 1]), 2, 10_000.0).tolist()  # sin(0), cos(0); sin(1), cos(1)
    [[0.0, 1.0], [0.8414709568023682, 0.5403022766113281]]
    """
    half = (dim + 1) // 2  # an odd width has one more sine than cosines
    exponents = torch.arange(half, device=positions.device, dtype=torch.float64) * 2 / dim
    angles = positions.double()[:, None] * base**-exponents  # (T, half); float64 keeps the phase of far positions
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :dim].float()
