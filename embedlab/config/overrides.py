"""Overrides as Hydra's grammar reads them: values quoted where a shell has left them bare. Imports no torch."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

OVERRIDE = re.compile(r"(\+{0,2}[\w./@:$-]+)=(.*)", re.S | re.A)
# What Hydra's lexer takes in a bare value; letters of other alphabets and ~ it does not.
BARE = re.compile(r"[\w /\\.+$%*@?|:\t-]*", re.A)
# A quoted part, an interpolation, a mark of Hydra's lists, or the text between them.
PARTS = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[\[\],{}()]|(?:\$\{[^}]*\}|[^\[\],{}()'"])+|.""", re.S)


def quote(value: str) -> str:
    r"""Return a text as Hydra's grammar reads it back, whatever characters it holds.

    >>> quote(r"a\\b, it's")
    "'a\\\\b, it\\'s'"
    """
    return QuotedString(value, Quote.single).with_quotes()


def unquote(value: str) -> str:
    """Return the text that a value stands for, in quotes (which the shell has left) or bare."""
    if value[:1] + value[-1:] in ("''", '""') and is_parsable(f"x={value}"):
        return str(OverridesParser.create().parse_override(f"x={value}").value())
    return value


def override(key: str, value: Any) -> str:
    """Return KEY=VALUE for a plain value: text, number, truth, None, or a list or dictionary of them.

    >>> override("corpus.path", ["a b.txt", "c.txt"])
    "corpus.path=['a b.txt','c.txt']"
    """
    return f"{key}={format_value(value)}"


def format_value(value: Any) -> str:
    """Return a plain value in Hydra's grammar.

    >>> format_value([{"a": "b c"}, 1.5, None])
    "[{a:'b c'},1.5,null]"
    """
    return _written(escape_literal(value))


def escape_literal(value: Any) -> Any:
    r"""Return the value as OmegaConf keeps it without reading it: ${now:%H} stands for itself.

    >>> escape_literal(["${x}"])
    ['\\${x}']
    """
    if isinstance(value, list):
        return [*map(escape_literal, value)]
    if isinstance(value, dict):
        return {key: escape_literal(item) for key, item in value.items()}
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def _written(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        # Hydra reads no quotes around a key
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)  # numbers, true, false, null


def quote_values(arguments: list[str]) -> list[str]:
    """Return the command line with those values in quotes that Hydra would refuse bare: é, 位, ~, =, ().

    What Hydra can read stays as it is; so does what no quotes would mend, for Hydra's own complaint.

    >>> quote_values(["corpus.path=[~/a.txt,données/b.txt]", "seed=1"])
    ["corpus.path=['~/a.txt','données/b.txt']", 'seed=1']
    """
    return [next(filter(is_parsable, (argument, *_tries(argument))), argument) for argument in arguments]


def is_parsable(argument: str) -> bool:
    """Whether Hydra's grammar can read the override."""
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _tries(argument: str) -> Iterator[str]:
    """Yield the override with its strange parts in quotes, then with the whole value in quotes, unless it is a list."""
    if not (found := OVERRIDE.fullmatch(argument)):
        return
    key, value = found.groups()
    parts = PARTS.findall(value)
    yield f"{key}={''.join(part if BARE.fullmatch(part) or part[0] in MARKS else _quoted_part(part) for part in parts)}"
    if not {"[", "{", ","} & set(parts):
        yield f"{key}={quote(value)}"


MARKS = "[],{}()'\""


def _quoted_part(part: str) -> str:
    """Return the part in quotes, the blanks around it outside."""
    text = part.strip()
    return part.replace(text, quote(text), 1) if text else part
