"""No positions (NoPE): only the causal mask carries information about order.

Source: Kazemnejad et al. 2023, "The Impact of Positional Encoding on Length Generalization in Transformers"
(arXiv 2305.19466).
"""

from dataclasses import dataclass

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class NoneConfig(PositionConfig):
    """Settings of `none`: none."""

    def build(self, shape: Shape) -> "Scheme":
        return Scheme(self, shape)
