"""Fields and checks of config classes. Imports no torch, so that a wrong setting is reported at once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from embedlab.config.errors import UserError

MISSING: Any = "???"  # OmegaConf's mark for a value that yaml must set


def setting(about: str, default: Any = MISSING) -> Any:
    """Return a dataclass field with the sentence (and unit) that `--help` shows for it."""
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata={"about": about})
    return field(default=default, metadata={"about": about})


def as_yaml(value: Any) -> Any:
    """Return a config, or a part of it, as yaml and JSON hold it: an Enum by its name, a Path as text."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: as_yaml(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_yaml(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value


def at_least(least: float, **values: float) -> None:
    """Raise UserError unless every value is >= least; each keyword is an override's name with __ for a dot.

    >>> at_least(1, data__stride=0)
    Traceback (most recent call last):
    embedlab.config.errors.UserError: data.stride=0 is too small: give at least 1
    """
    for key, value in values.items():
        if not value >= least:
            raise UserError(f"{key.replace('__', '.')}={value} is too small: give at least {least}")


def at_most(most: float, **values: float) -> None:
    """Raise UserError unless every value is <= most; keywords as in `at_least`."""
    for key, value in values.items():
        if not value <= most:
            raise UserError(f"{key.replace('__', '.')}={value} is too large: give at most {most}")


def check_given(node: Any, prefix: str = "") -> None:
    """Raise UserError for a setting without a value, as one deleted by `~seed`, anywhere in the config class `node`."""
    for item in fields(node):
        key, value = f"{prefix}{item.name}", getattr(node, item.name)
        if value == MISSING:
            raise UserError(f"{key} has no value: give {key}=VALUE")
        if is_dataclass(value):
            check_given(value, f"{key}.")


def check_numbers(node: Any, prefix: str) -> None:
    """Raise UserError for a NaN, an infinity, or an integer beyond 64 bits, anywhere in the config class `node`."""
    for key, value in _numbers(node, prefix):
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{key}={value} is not finite: give a finite number")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise UserError(f"{key}={value} is too large: give fewer digits")


def _numbers(node: Any, key: str) -> Iterator[tuple[str, int | float]]:
    if is_dataclass(node):
        for item in fields(node):
            yield from _numbers(getattr(node, item.name), f"{key}.{item.name}".lstrip("."))
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _numbers(value, f"{key}.{name}")
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _numbers(value, key)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield key, node


def one_of(choices: tuple[str, ...], **values: str) -> None:
    """Raise UserError unless every value is among the choices; keywords as in `at_least`."""
    for key, value in values.items():
        if value not in choices:
            raise UserError(f"{key.replace('__', '.')}={value} is unknown: give one of {', '.join(choices)}")


def check_base(base: float) -> None:
    """Raise UserError unless the frequencies of this base decrease."""
    if base <= 1:
        raise UserError(f"position.base={base} gives frequencies that do not decrease: give more than 1, as 10000")
