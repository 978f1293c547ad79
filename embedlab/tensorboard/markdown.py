"""Markdown for TensorBoard's Text tab: any text may stand in a cell."""

from collections.abc import Iterable, Sequence

from embedlab.runs.escaping import entities, visible


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of plain texts."""
    lines = [heading, ["---"] * len(heading)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (*lines, *(map(entities, row) for row in rows)))


def code(text: str) -> str:
    """A block that is shown letter by letter."""
    return "\n".join("    " + visible(line) for line in text.splitlines())
