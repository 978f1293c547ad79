"""Settings of positional schemes, and what a scheme must know of its model.

Imports no torch, so that a wrong setting is reported at once.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from embedlab.config.settings import setting as setting  # so that one import serves a scheme's file
from embedlab.config.tree import Config
from embedlab.positions.own_file import report_methods

USUAL_LOUDNESS = (0.1, 3)  # RMS of position vectors over that of token vectors; papers have 0.5 to 0.71

if TYPE_CHECKING:
    from embedlab.positions.base import Scheme


class Shape(NamedTuple):
    """What a scheme must know of the model that it serves, and of its training."""

    embedding_dim: int  # D, width of the model
    n_heads: int  # H
    n_layers: int
    context_length: int  # L, tokens in a training window
    n_steps: int | None = None  # training steps, if their number is known beforehand
    token_rms: float | None = None  # RMS of the token vectors at the start; None: as in the scheme's source
    run_seed: int = 0  # of a scheme that draws in training

    @property
    def head_dim(self) -> int:
        """K = D // H, width of one head."""
        return self.embedding_dim // self.n_heads


@dataclass(slots=True)
class PositionConfig:
    """Settings of a positional scheme; each scheme's file extends it with its own."""

    name: str = setting("name of the scheme; position=NAME sets it")
    file: str | None = setting("Python file that holds a scheme of your own; null for those that ship", None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Report the exceptions of a user's settings class in one line of its file."""
        super(PositionConfig, cls).__init_subclass__(**kwargs)  # without arguments, slots=True breaks super
        if not cls.__module__.startswith("embedlab."):
            report_methods(cls, PositionConfig)

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
    token_rms = model.init_std if model.token_table.path is None else None  # of a table in a file it is not known yet
    return Shape(
        model.embedding_dim,
        model.n_heads,
        model.n_layers,
        config.data.context_length,
        n_steps,
        token_rms,
        config.seed,
    )


def loudness_cautions(setting: str, loudness: float) -> list[str]:
    """Return a warning if position vectors start far larger or smaller than token vectors; `setting` says KEY=VALUE."""
    low, high = USUAL_LOUDNESS
    if low <= loudness <= high:
        return []
    drowned = "the model hardly sees the tokens" if loudness > high else "the model hardly sees the positions"
    return [
        f"{setting} makes the position vectors {loudness:.3g} times as large as the token vectors, so at the start "
        f"{drowned}: give position.loudness from {low} to {high}"
    ]
