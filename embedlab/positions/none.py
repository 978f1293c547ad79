"""No positions (NoPE): only the causal mask tells the model anything about order.

Source: Kazemnejad et al. 2023, "The Impact of Positional Encoding on Length Generalization in Transformers".
"""

from dataclasses import dataclass

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class NoneConfig(PositionConfig):
    """No settings."""

    def build(self, shape: Shape) -> "Scheme":
        return Scheme(self, shape)
