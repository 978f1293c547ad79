"""Read the keys of results.json from their declaration, as dotted paths.

`python -m embedlab.runs.results_keys` prints the table of docs/results.md.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from embedlab.runs.measured import Key
from embedlab.runs.results import Results

JSON = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One key: `path` as `val.loss`, or `extrapolation[].loss` for a key of a list's entries."""

    path: str
    kind: str  # its JSON type in words
    key: Key


def fields(declaration: type) -> Iterator[tuple[str, Any, Key]]:
    """Yield (name, type, meaning) for each key of a TypedDict."""
    for name, hint in get_type_hints(declaration, include_extras=True).items():
        if get_origin(hint) is NotRequired:
            (hint,) = get_args(hint)
        assert get_origin(hint) is Annotated, f"{declaration.__name__}.{name} needs Annotated[type, Key(…)]"
        kind, key = get_args(hint)
        yield name, kind, key


def get_declared_keys(declaration: type = Results, prefix: str = "") -> Iterator[Declared]:
    """Yield every key, the keys of a nested dictionary after the key that holds it."""
    for name, kind, key in fields(declaration):
        path = prefix + name
        yield Declared(path, in_words(kind), key)
        inner, entries = nested(kind)
        if inner is not None:
            yield from get_declared_keys(inner, f"{path}{entries}.")


def nested(kind: Any) -> tuple[type | None, str]:
    """Return the TypedDict in a type, or None, and "[]" if it is the type of a list's entries."""
    if is_typeddict(kind):
        return kind, ""
    for part in get_args(kind):
        inner, entries = nested(part)  # of a list's entries, or of `… | None`
        if inner is not None:
            return inner, ("[]" if get_origin(kind) is list else "") + entries
    return None, ""


def in_words(kind: Any) -> str:
    """Return the name of a type in JSON.

    >>> in_words(list[float]), in_words(float | None), in_words(dict[str, str])
    ('list of number', 'number or null', 'object')
    """
    origin, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind) or origin is dict:
        return "object"
    if origin is list:
        entry = in_words(parts[0])
        return f"list of ({entry})" if " or " in entry else f"list of {entry}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(in_words, parts))
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    return JSON[kind]


@cache
def units() -> dict[str, str]:
    """Return {path: unit}, list entries without their brackets: `extrapolation.loss`."""
    return {found.path.replace("[]", ""): found.key.unit for found in get_declared_keys()}


def key_table() -> str:
    """Return all keys as a Markdown table."""
    lines = ["| key | type | unit | meaning |", "|---|---|---|---|"]
    for found in get_declared_keys():
        cells = (f"`{found.path}`", found.kind, found.key.unit, found.key.about.replace("|", "\\|"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(key_table(), end="")
