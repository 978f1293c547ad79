"""Markdown for TensorBoard's Text tab: any text may stand in a cell."""

import re
from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """Text that no Markdown acts on: all ASCII signs as numeric entities.

    >>> cell("a|b`c")
    'a&#124;b&#96;c'
    """
    return re.sub(r"[!-/:-@\\[-`{-~]", lambda sign: f"&#{ord(sign[0])};", text)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of plain texts."""
    lines = [heading, ["---"] * len(heading)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (*lines, *([cell(text) for text in row] for row in rows)))


def code(text: str) -> str:
    """A block that is shown letter by letter."""
    return "\n".join("    " + line for line in text.splitlines())
