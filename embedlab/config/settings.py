"""What every config class is made of. Light: no torch, so that a wrong setting is told at once."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf.errors import ConfigKeyError, MissingMandatoryValue

if TYPE_CHECKING:
    from embedlab.positions.base import Scheme

MISSING: Any = "???"  # OmegaConf's mark for a value that yaml must give


class UserError(ValueError):
    """Something that the user can mend: the message names the override, its value and the remedy."""


def setting(about: str, default: Any = MISSING) -> Any:
    """A dataclass field with the one sentence (and unit) that `--help` shows for it."""
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata={"about": about})
    return field(default=default, metadata={"about": about})


def at_least(least: float, **values: float) -> None:
    """Raise UserError unless every value is >= least; the keyword is the override's name with __ for a dot.

    >>> at_least(1, data__stride=0)
    Traceback (most recent call last):
    embedlab.config.settings.UserError: data.stride=0 is too small: give at least 1
    """
    for key, value in values.items():
        if not value >= least:
            raise UserError(f"{key.replace('__', '.')}={value} is too small: give at least {least}")


def one_of(choices: tuple[str, ...], **values: str) -> None:
    """Raise UserError unless every value is one of the choices; keywords as in `at_least`."""
    for key, value in values.items():
        if value not in choices:
            raise UserError(f"{key.replace('__', '.')}={value} is unknown: give one of {', '.join(choices)}")


def falling(base: float) -> None:
    """Raise UserError unless waves of this base have falling frequencies."""
    if base <= 1:
        raise UserError(f"position.base={base} gives no falling frequencies: give more than 1, as 10000")


def complaint(error: Exception) -> str:
    """OmegaConf's complaint in one line; slots refuse keys smuggled in with `+` by an AttributeError."""
    key = getattr(error, "full_key", None)
    if isinstance(error, ConfigKeyError):
        return f"+{key} names no setting: `python train.py --help` lists all"
    if isinstance(error, AttributeError):
        _, _, typo = str(error).removesuffix("'").rpartition("'")  # 'Config' object has no attribute 'typo'
        return f"+{typo} names no setting: `python train.py --help` lists all"
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value: give {key}=VALUE"
    return f"{key}: {str(error).strip().splitlines()[0]}"


class Shape(NamedTuple):
    """What a positional scheme must know of the model that it serves, and of its training."""

    embedding_dim: int  # D, width of the model
    n_heads: int  # H
    n_layers: int
    context_length: int  # L, tokens in a training window
    n_steps: int | None = None  # training steps, where their number is known beforehand

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
        """The scheme's module; called after `validate`."""
        raise NotImplementedError

    def validate(self, shape: Shape) -> None:
        """Raise UserError where a setting cannot be used at all."""

    def cautions(self, shape: Shape) -> list[str]:
        """One sentence for each setting that runs but cannot work as asked (a fair comparison needs to know)."""
        return []
