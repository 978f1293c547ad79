"""Settings of positional schemes, and what a scheme must know of its model.

Imports no torch, so that a wrong setting is reported at once.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from embedlab.config.settings import setting as setting  # so that one import serves a scheme's file
from embedlab.config.tree import Config

if TYPE_CHECKING:
    from embedlab.positions.base import Scheme


class Shape(NamedTuple):
    """Sizes of the model that a scheme serves, and the length of its training."""

    embedding_dim: int  # D, width of the model
    n_heads: int  # H
    n_layers: int
    context_length: int  # L, tokens in a training window
    n_steps: int | None = None  # training steps, if their number is known beforehand

    @property
    def head_dim(self) -> int:
        """K = D // H, width of one head."""
        return self.embedding_dim // self.n_heads


@dataclass(slots=True)
class PositionConfig:
    """Settings of a positional scheme; each scheme's file extends it with its own."""

    name: str = setting("name of the scheme; position=NAME sets it")
    file: str | None = setting("Python file that holds a scheme of your own; null for those that ship", None)

    def build(self, shape: Shape) -> "Scheme":
        """Return the scheme's module; called after `validate`."""
        raise NotImplementedError

    def validate(self, shape: Shape) -> None:
        """Check the settings. Raises UserError if one cannot be used at all."""

    def cautions(self, shape: Shape) -> list[str]:
        """Return a warning for each setting that runs but cannot work as asked; comparisons show them."""
        return []


def shape_of(config: Config) -> Shape:
    """Return the sizes that a run's scheme must know."""
    model, steps = config.model, config.trainer.get("max_steps")
    n_steps = steps if isinstance(steps, int) and steps > 0 else None  # -1: no limit in steps
    return Shape(model.embedding_dim, model.n_heads, model.n_layers, config.data.context_length, n_steps)
