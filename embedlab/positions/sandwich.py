"""Sandwich: the inner product of sinusoidal position vectors as a fixed bias, flatter for each further head.

bias_h(δ) = (Σ_m cos(δ · base^(-2m/d̄)) - d̄/2) / (8h/H), m = 0 … d̄/2 - 1, h = 1 … H. Subtracting d̄/2, the value at δ
= 0, changes nothing after the softmax. The paper's constants: d̄ = 128, base = 10000, compression 8h/H. No parameters.
NVIDIA's NeMo does the same with m = 1 … d̄/2, which makes each wave 15 % longer; here m is as in `sinusoidal`.

Source: Chi et al. 2023, "Dissecting Transformer Length Extrapolation via the Lens of Receptive Field Analysis"
(arXiv 2212.10356), section 5. Reference: a slow loop of the formula.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.settings import check_base, setting
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class SandwichConfig(PositionConfig):
    """Settings of `sandwich`."""

    dims: int = setting("d̄, even width of the sinusoidal vectors whose product is the bias", 128)
    base: float = setting("longest wavelength over 2π, in tokens", 10_000.0)

    def validate(self, shape: Shape) -> None:
        if self.dims < 2 or self.dims % 2:
            raise UserError(f"position.dims={self.dims} is not an even number above 0: give one, as 128")
        check_base(self.base)

    def build(self, shape: Shape) -> "Sandwich":
        return Sandwich(self, shape)


class Sandwich(Scheme):
    """Bias by products of sinusoids."""

    config: SandwichConfig

    def bias(self, site: Site) -> Tensor:
        H, half = self.shape.n_heads, self.config.dims // 2
        device = site.keys.device
        frequencies = self.config.base ** -(torch.arange(half, dtype=torch.float64, device=device) / half)
        rows, columns = (part.double()[:, None] * frequencies for part in (site.queries, site.keys))  # (T, d̄/2)
        # (Tq, Tk): cos(i - j) = cos i cos j + sin i sin j
        product = rows.cos() @ columns.cos().T + rows.sin() @ columns.sin().T - half
        compression = torch.arange(1, H + 1, device=device)[:, None, None] * 8 / H  # (H, 1, 1)
        return product / compression
