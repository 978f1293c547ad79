"""Markdown for TensorBoard's Text tab; a table cell may hold any text."""

from collections.abc import Iterable, Sequence

from embedlab.runs.escaping import entities, visible


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the cells of `rows` are plain text and are escaped."""
    lines = [heading, ["---"] * len(heading)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (*lines, *(map(entities, row) for row in rows)))


def code(text: str) -> str:
    """Return a Markdown code block, which shows the text verbatim."""
    return "\n".join("    " + visible(line) for line in text.splitlines())
