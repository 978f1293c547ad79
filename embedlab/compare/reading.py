"""Finished runs from folders: whatever is unfinished, failed or unreadable is named with a reason, never raised.

A run's folder holds `results.json` once it has finished (written last and atomically); before that only `.hydra/`.
The files may come from anywhere, so nothing in them is trusted: every access checks the type, and text is cleaned of
what would break a terminal or a page.
"""

import csv
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedlab.runs.escaping import one_line
from embedlab.runs.results import SCHEMA

LARGEST = 64 * 2**20  # bytes; a real results.json has some 10 kB
HUGE = 1e60  # nothing measured here is larger, and the fourth power still fits a float
NOT_RUNS = {"checkpoints", ".hydra", "tensorboard", ".git", "__pycache__"}  # never hold runs of their own


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not compared, and why."""

    path: str
    kind: str  # unfinished, failed, unreadable, foreign, version, missing, diverged, metric
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run: `results` is the whole of results.json, `settings` its config with dotted keys."""

    path: str
    seed: int
    settings: dict[str, Any]
    results: dict[str, Any]

    def number(self, *keys: str) -> float | None:
        """A finite number of results.json, or None where it is missing, no number, NaN or infinite."""
        return number(self.part(*keys))

    def part(self, *keys: str) -> Any:
        """What lies at this path of results.json, or None."""
        node: Any = self.results
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def entries(self, key: str) -> list[dict[str, Any]]:
        """The dictionaries of a list in results.json."""
        found = self.part(key)
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def text(self, *keys: str, most: int = 400) -> str:
        """A text of results.json, cleaned and cut; "" where there is none."""
        found = self.part(*keys)
        return clean(found, most) if isinstance(found, str) else ""

    @property
    def diverged(self) -> str:
        """`diverged at step 40 (loss nan)`; "" for a run that did not."""
        found = self.part("diverged")
        if not isinstance(found, dict):
            return ""
        return f"diverged at step {clean(str(found.get('step')), 20)} (loss {clean(str(found.get('loss')), 20)})"

    def history(self, column: str) -> list[tuple[float, float]]:
        """(optimizer step, value) pairs of one column of metrics.csv; empty where there is none."""
        pairs: dict[float, float] = {}  # a resumed run may have logged a step twice: the later one holds
        try:
            with open(Path(self.path, "metrics.csv"), newline="", encoding="utf-8", errors="replace") as file:
                for line in csv.DictReader(file):
                    step, value = _parsed(line.get("step")), _parsed(line.get(column))
                    if step is not None and value is not None:
                        pairs[step] = value
        except (OSError, csv.Error):
            return []
        return sorted(pairs.items())


def number(value: Any) -> float | None:
    """`value` as a float if it is a number below HUGE, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if abs(value) < HUGE else None  # NaN compares false
    except OverflowError:  # an int beyond any float
        return None


def numbers(values: Any) -> list[float]:
    """A list of numbers, NaN where an entry is none; [] for anything else."""
    if not isinstance(values, list):
        return []
    return [math.nan if (found := number(value)) is None else found for value in values]


def _parsed(cell: Any) -> float | None:
    try:
        return number(float(cell))
    except (TypeError, ValueError):
        return None


def clean(text: str, most: int = 400) -> str:
    """Return the text as one printable line of at most `most` characters, so that no report shows a page of a name."""
    return one_line(text, most)


def read(arguments: list[str]) -> tuple[list[Run], list[Left]]:
    """All finished runs below these folders, each once however often it is reached, and all that was left out."""
    runs: list[Run] = []
    left: list[Left] = []
    seen: set[str] = set()
    for argument in arguments:
        top = Path(argument)
        if top.name == "results.json" and top.is_file():
            top = top.parent
        if not top.is_dir():
            left.append(Left(clean(argument), "missing", "is no folder"))
            continue
        before = len(runs) + len(left), len(seen)
        run = None  # the last run's folder: what lies below it is its own
        for folder, names, files in _folders(top, seen, left):
            if "results.json" in files or ".hydra" in names:
                run = folder
            elif run is None or not folder.startswith(run + os.sep):
                left.extend(_dangling(folder, files))
            if "results.json" in files:
                if (real := os.path.realpath(os.path.join(folder, "results.json"))) not in seen:
                    seen.add(real)
                    found = _run(folder)
                    (runs if isinstance(found, Run) else left).append(found)  # type: ignore[arg-type]
            elif ".hydra" in names:
                left.append(Left(clean(folder), "unfinished", "has no results.json: it still runs, or was stopped"))
        if before[0] == len(runs) + len(left) and len(seen) > before[1]:
            left.append(Left(clean(argument), "missing", "holds no run: no results.json and no .hydra below it"))
    return runs, left


def _folders(top: Path, seen: set[str], left: list[Left]) -> Iterator[tuple[str, list[str], list[str]]]:
    """os.walk that follows links, visits each real folder once and names folders that it may not read."""

    def denied(error: OSError) -> None:
        left.append(Left(clean(str(error.filename)), "unreadable", f"cannot be listed: {error.strerror}"))

    for folder, names, files in os.walk(top, followlinks=True, onerror=denied):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        yield folder, list(names), files
        names[:] = sorted(name for name in names if name not in NOT_RUNS)


def _dangling(folder: str, files: list[str]) -> Iterator[Left]:
    """Name links to nothing, as to a disk that is not there: runs may lie behind them."""
    for path in (os.path.join(folder, name) for name in files):
        if os.path.islink(path) and not os.path.exists(path):
            yield Left(clean(path), "missing", f"is a link to {clean(os.readlink(path))}, which is not there")


def _run(folder: str) -> Run | Left:
    """The run of one folder, or why there is none."""

    def left(kind: str, reason: str) -> Left:
        return Left(clean(folder), kind, reason)

    path = os.path.join(folder, "results.json")
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            return left("unreadable", "results.json is no file")
        if about.st_size > LARGEST:
            return left("foreign", f"results.json has {about.st_size / 2**20:.0f} MiB: it is not embedlab's")
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
    except OSError as error:
        return left("unreadable", f"results.json cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return left("unreadable", "results.json is not UTF-8")
    except (ValueError, RecursionError) as error:
        return left("unreadable", f"results.json is broken JSON: {clean(str(error), 80)}")
    if not isinstance(results, dict):
        return left("foreign", "results.json is not embedlab's: no object")
    if results.get("error"):
        return left("failed", f"failed: {clean(str(results['error']), 200)}")
    schema = results.get("schema", SCHEMA)  # a file without it is read as this one
    if schema != SCHEMA:
        maker = (
            f"embedlab {clean(str((results.get('versions') or {}).get('embedlab', '?')), 20)}"
            if isinstance(results.get("versions"), dict)
            else "another embedlab"
        )
        return left(
            "version",
            f"results.json has schema {clean(str(schema), 20)} ({maker}), this one reads {SCHEMA}: "
            "compare it with the embedlab that wrote it",
        )
    seed, config = results.get("seed"), results.get("config")
    if isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) >= 2**64:
        return left("foreign", "results.json is not embedlab's: no whole number in `seed`")
    if not isinstance(config, dict):
        return left("foreign", "results.json is not embedlab's: no settings in `config`")
    settings = dict(flatten(config))
    scheme = results.get("position")
    if not isinstance(scheme, str):
        scheme = settings.get("position.name")
    if not isinstance(scheme, str) or not scheme:
        return left("foreign", "results.json is not embedlab's: no scheme in `position`")
    settings |= {"position.name": clean(scheme, 80), "seed": seed}
    return Run(folder, seed, settings, results)


def flatten(node: dict[str, Any], prefix: str = "", depth: int = 8) -> Iterator[tuple[str, Any]]:
    """(dotted key, number, text, bool or None) of a nested config; lists become text."""
    for key, value in node.items():
        name = prefix + clean(str(key), 80)
        if isinstance(value, dict) and depth:
            yield from flatten(value, name + ".", depth - 1)
        elif value is None or isinstance(value, bool):
            yield name, value
        elif isinstance(value, int | float):
            yield name, number(value) if isinstance(value, float) or abs(value) > 2**63 else value
        else:
            yield name, clean(str(value), 120)
