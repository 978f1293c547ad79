"""The README and the pages of docs/: their fenced blocks, their words in code style, their links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text and the line that it begins in."""

    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """Shell commands, one for each line, without comments."""
        lines = (shlex.join(shlex.split(line, comments=True)) for line in self.text.splitlines())
        return [line for line in lines if line]

    @property
    def file(self) -> str | None:
        """The name of the file that a Python block asks to save, by its first line `# NAME.py`."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named and named[1]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], found[2], text[: found.start()].count("\n") + 1) for found in FENCE.finditer(text)]


def spans(page: Path) -> list[str]:
    """Return what stands between backticks outside fenced blocks."""
    return SPAN.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> list[str]:
    """Return the targets of links and pictures outside fenced blocks."""
    return LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: Path, first_column: str) -> list[list[str]]:
    """Return the rows of the page's table whose first column has this heading, without their backticks."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows
