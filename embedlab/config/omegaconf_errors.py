"""Say OmegaConf's errors in one plain line: `give a whole number` for `could not be converted to Integer`."""

from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    ConfigKeyError,
    ConfigTypeError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from embedlab.config.overrides import format_value
from embedlab.config.program import lists_all
from embedlab.config.settings import as_yaml

ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
SEVERAL = {int: "whole numbers", float: "numbers", bool: "true and false", str: "texts"}


def complaint(error: Exception) -> str:
    """Return OmegaConf's error as one line. Classes with slots raise AttributeError for unknown keys given with `+`."""
    key = getattr(error, "full_key", None)
    if isinstance(error, ConfigKeyError):
        return f"+{key} names no setting: {lists_all()}"
    if isinstance(error, AttributeError):
        _, _, typo = str(error).removesuffix("'").rpartition("'")  # 'Config' object has no attribute 'typo'
        return f"+{typo} names no setting: {lists_all()}"
    if isinstance(error, MissingMandatoryValue):
        return f"{key} has no value: give {key}=VALUE"
    wrong_value = describe_wrong_value(error, f"{key}={show_value(getattr(error, 'value', None))}")
    return wrong_value or f"{key}: {str(error).strip().splitlines()[0]}"


def describe_wrong_value(error: BaseException | None, override: str) -> str | None:
    """Return one line for a value of another type than its setting's; None for an error of another kind.

    The example is the value that the setting has without the override: `data.batch_size=x cannot be used: give a whole
    number, as data.batch_size=16`.
    """
    if not isinstance(error, ValidationError | ConfigTypeError) or override.startswith("~"):
        return None
    key, _, _ = override.lstrip("+").partition("=")
    hint, before = _type_and_value(error, key.rpartition(".")[2])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"{override} is unknown: give one of {', '.join(item.name for item in hint)}"
    if (wanted := describe_type(hint)) is not None:
        example = "" if before in (None, "", "???") else f", as {key}={show_value(before)}"
        return f"{override} cannot be used: give {wanted}{example}"
    if isinstance(error, ConfigTypeError) or is_dataclass(hint):
        return f"{override} would replace a group of settings: give {key}.NAME=VALUE; {lists_all()}"
    return None


def describe_type(hint: Any) -> str | None:
    """Return what a setting of this type holds; None for a group of settings and for any value.

    >>> describe_type(list[int] | None)
    'a list of whole numbers or null'
    """
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        inner = [describe_type(one) for one in arguments if one is not NoneType]
        return f"{inner[0]} or null" if len(inner) == 1 and inner[0] is not None else None
    if get_origin(hint) in (list, tuple):
        several = SEVERAL.get(arguments[0]) if arguments else None
        return f"a list of {several}" if several else "a list"
    return ONE.get(hint)


def show_value(value: Any) -> str:
    """Return a value as an override has it, without quotes around a text."""
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else as_yaml(value)
    return format_value(value) if value is None or isinstance(value, bool | int | float | list | dict) else str(value)


def _type_and_value(error: OmegaConfBaseException, name: str) -> tuple[Any, Any]:
    """Return the declared type of the setting `name` and its value before the override; None for what is not known."""
    parent: Any = error.parent_node
    if isinstance(parent, ListConfig):  # an item of the list is wrong
        return error.ref_type, None
    hints = get_type_hints(error.object_type) if is_dataclass(error.object_type) else {}
    if name not in hints or not isinstance(parent, DictConfig):
        return None, None
    return hints[name], OmegaConf.to_container(parent).get(name)  # type: ignore[union-attr]  # not a list
