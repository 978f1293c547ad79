"""Fields and checks of config classes. Imports no torch, so that a wrong setting is reported at once."""

from dataclasses import field
from typing import Any

from embedlab.config.errors import UserError

MISSING: Any = "???"  # OmegaConf's mark for a value that yaml must set


def setting(about: str, default: Any = MISSING) -> Any:
    """Return a dataclass field with the sentence (and unit) that `--help` shows for it."""
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata={"about": about})
    return field(default=default, metadata={"about": about})


def at_least(least: float, **values: float) -> None:
    """Raise UserError unless every value is >= least; each keyword is an override's name with __ for a dot.

    >>> at_least(1, data__stride=0)
    Traceback (most recent call last):
    embedlab.config.settings.UserError: data.stride=0 is too small: give at least 1
    """
    for key, value in values.items():
        if not value >= least:
            raise UserError(f"{key.replace('__', '.')}={value} is too small: give at least {least}")


def one_of(choices: tuple[str, ...], **values: str) -> None:
    """Raise UserError unless every value is among the choices; keywords as in `at_least`."""
    for key, value in values.items():
        if value not in choices:
            raise UserError(f"{key.replace('__', '.')}={value} is unknown: give one of {', '.join(choices)}")


def check_base(base: float) -> None:
    """Raise UserError unless the frequencies of this base decrease."""
    if base <= 1:
        raise UserError(f"position.base={base} gives frequencies that do not decrease: give more than 1, as 10000")
