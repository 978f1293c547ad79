"""ALiBi: a penalty in proportion to distance, - m_h · δ, with a fixed slope for each head; no parameters.

For H heads, a power of two, the slopes are 2^(-8h/H), h = 1 … H. Otherwise they are those of the next smaller power of
two, P, followed by every other slope of 2P heads, as in the authors' code.

Source: Press et al. 2022, "Train Short, Test Long" (arXiv 2108.12409), section 3 and get_slopes of their code.
References: x-transformers' AlibiPositionalBias; transformers' Bloom (which adds + m · j, equal after the softmax), MPT.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.site import Site


@dataclass(slots=True)
class AlibiConfig(PositionConfig):
    """Settings of `alibi`: none."""

    def cautions(self, shape: Shape) -> list[str]:
        if shape.n_heads > 1:
            return []
        return ["position=alibi with model.n_heads=1 has the single slope 0.004, so it hardly acts: give more heads"]

    def build(self, shape: Shape) -> "Alibi":
        return Alibi(self, shape)


class Alibi(Scheme):
    """Bias - m_h · δ."""

    def __init__(self, config: AlibiConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        slopes = torch.tensor(head_slopes(shape.n_heads))
        self.register_buffer("slopes", slopes[:, None, None], persistent=False)  # (H, 1, 1)

    def bias(self, site: Site) -> Tensor:
        return -self.get_buffer("slopes") * site.distances


def head_slopes(n_heads: int) -> list[float]:
    """Return one slope for each head.

    >>> head_slopes(2), head_slopes(3)
    ([0.0625, 0.00390625], [0.0625, 0.00390625, 0.25])
    """
    power = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * h / power) for h in range(1, power + 1)]
    if power == n_heads:
        return slopes
    return slopes + head_slopes(2 * power)[0::2][: n_heads - power]
