"""Write overrides in Hydra's grammar, with quotes where a shell has removed them. Imports no torch."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

OVERRIDE = re.compile(r"(\+{0,2}[\w./@:$-]+)=(.*)", re.S | re.A)
# What Hydra's lexer accepts in a value without quotes: no letters of other alphabets, no ~.
BARE = re.compile(r"[\w /\\.+$%*@?|:\t-]*", re.A)
# A quoted part, a mark of Hydra's lists, or the text between them, which may hold interpolations.
PARTS = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[\[\],{}()]|(?:\$\{[^}]*\}|[^\[\],{}()'"])+|.""", re.S)


def quote(value: str) -> str:
    r"""Return a text in quotes, so that Hydra's grammar reads any characters back.

    >>> quote(r"a\\b, it's")
    "'a\\\\b, it\\'s'"
    """
    return QuotedString(value, Quote.single).with_quotes()


def unquote(value: str) -> str:
    """Return the text of a value, which may be in quotes that the shell has left."""
    if value[:1] + value[-1:] in ("''", '""') and is_parsable(f"x={value}"):
        return str(OverridesParser.create().parse_override(f"x={value}").value())
    return value


def override(key: str, value: Any) -> str:
    """Return KEY=VALUE for a text, number, bool or None, or a list or dictionary of them.

    >>> override("corpus.path", ["a b.txt", "c.txt"])
    "corpus.path=['a b.txt','c.txt']"
    """
    return f"{key}={format_value(value)}"


def format_value(value: Any) -> str:
    """Return a value in Hydra's grammar; types as in `override`.

    >>> format_value([{"a": "b c"}, 1.5, None])
    "[{a:'b c'},1.5,null]"
    """
    return _format(escape_literal(value))


def escape_literal(value: Any) -> Any:
    r"""Return the value with ${…} escaped, so that OmegaConf does not interpolate it.

    >>> escape_literal(["${x}"])
    ['\\${x}']
    """
    if isinstance(value, list):
        return [*map(escape_literal, value)]
    if isinstance(value, dict):
        return {key: escape_literal(item) for key, item in value.items()}
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


def _format(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return f"[{','.join(map(_format, value))}]"
    if isinstance(value, dict):
        # Hydra reads no quotes around a key
        return "{" + ",".join(f"{key}:{_format(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)  # numbers, true, false, null


def quote_values(arguments: list[str]) -> list[str]:
    """Return the command line with quotes around the values that Hydra refuses without them: é, 位, ~, =, ().

    What Hydra can read is unchanged, and so is what it cannot read even in quotes, which Hydra reports.

    >>> quote_values(["corpus.path=[~/a.txt,données.txt]", "seed=1"])
    ["corpus.path=['~/a.txt','données.txt']", 'seed=1']
    """
    return [next(filter(is_parsable, (argument, *_quoted_variants(argument))), argument) for argument in arguments]


def is_parsable(argument: str) -> bool:
    """Whether Hydra's grammar can parse the override."""
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _quoted_variants(argument: str) -> Iterator[str]:
    """Yield the override with quotes around the parts that need them, then, unless it is a list, around all of it."""
    if not (found := OVERRIDE.fullmatch(argument)):
        return
    key, value = found.groups()
    parts = PARTS.findall(value)
    yield f"{key}={''.join(part if BARE.fullmatch(part) or part[0] in MARKS else _quote_part(part) for part in parts)}"
    if not {"[", "{", ","} & set(parts):
        yield f"{key}={quote(value)}"


MARKS = "[],{}()'\""


def _quote_part(part: str) -> str:
    """Return the part in quotes, with surrounding blanks outside of them."""
    text = part.strip()
    return part.replace(text, quote(text), 1) if text else part
