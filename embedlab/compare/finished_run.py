"""One finished run. Its files may come from anywhere: every access checks the type, and text is cleaned."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedlab.runs.escaping import one_line

HUGE = 1e60  # nothing measured here is larger, and the fourth power still fits a float


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run: `results` is the whole of results.json, `settings` its config with dotted keys."""

    path: str
    seed: int
    settings: dict[str, Any]
    results: dict[str, Any]

    def number(self, *keys: str) -> float | None:
        """Return a finite number of results.json; None if it is missing, not a number, NaN or infinite."""
        return number(self.part(*keys))

    def part(self, *keys: str) -> Any:
        """Return the value at this path of results.json, or None."""
        node: Any = self.results
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def entries(self, key: str) -> list[dict[str, Any]]:
        """Return the dictionaries of a list in results.json."""
        found = self.part(key)
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def text(self, *keys: str, most: int = 400) -> str:
        """Return a text of results.json, cleaned and cut to `most` characters; "" if there is none."""
        found = self.part(*keys)
        return clean(found, most) if isinstance(found, str) else ""

    @property
    def diverged(self) -> str:
        """`diverged at step 40 (loss nan)`; "" for a run that did not diverge."""
        found = self.part("diverged")
        if not isinstance(found, dict):
            return ""
        return f"diverged at step {clean(str(found.get('step')), 20)} (loss {clean(str(found.get('loss')), 20)})"

    def history(self, column: str) -> list[tuple[float, float]]:
        """Return (optimizer step, value) pairs of one column of metrics.csv; empty if there are none."""
        pairs: dict[float, float] = {}  # a resumed run may have logged a step twice: the later row counts
        try:
            with open(Path(self.path, "metrics.csv"), newline="", encoding="utf-8", errors="replace") as file:
                for line in csv.DictReader(file):
                    step, value = _parse_number(line.get("step")), _parse_number(line.get(column))
                    if step is not None and value is not None:
                        pairs[step] = value
        except (OSError, csv.Error):
            return []
        return sorted(pairs.items())


def number(value: Any) -> float | None:
    """Return `value` as a float if it is a number between -HUGE and HUGE, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if abs(value) < HUGE else None  # NaN compares false
    except OverflowError:  # an int beyond any float
        return None


def numbers(values: Any) -> list[float]:
    """Return a list of numbers, NaN for an entry that is not a number; [] for anything but a list."""
    if not isinstance(values, list):
        return []
    return [math.nan if (found := number(value)) is None else found for value in values]


def _parse_number(cell: Any) -> float | None:
    try:
        return number(float(cell))
    except (TypeError, ValueError):
        return None


def clean(text: str, most: int = 400) -> str:
    """Return the text as one printable line of at most `most` characters, so that a long name does not fill a page."""
    return one_line(text, most)
