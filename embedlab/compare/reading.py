"""Read finished runs from folders. An unfinished, failed or unreadable run is listed with a reason, never raised.

A run's folder contains `results.json` once it has finished (written last and atomically); before that only `.hydra/`.
The files may come from anywhere, so nothing in them is trusted: every access checks the type, and text is cleaned of
what would break a terminal or a page.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedlab.compare.finished_run import Run, clean, number
from embedlab.runs.ownership import ERROR
from embedlab.runs.results import SCHEMA

MOST_BYTES = 64 * 2**20  # a real results.json has about 10 kB
NOT_RUNS = {"checkpoints", ".hydra", "tensorboard", ".git", "__pycache__"}  # never contain runs


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that was not compared, and why."""

    path: str
    kind: str  # unfinished, failed, unreadable, foreign, version, missing, diverged, metric
    reason: str


def read(arguments: list[str]) -> tuple[list[Run], list[Excluded]]:
    """Return all finished runs below these folders, each once however often it is found, and what was excluded."""
    runs: list[Run] = []
    excluded: list[Excluded] = []
    seen: set[str] = set()
    for argument in arguments:
        top = Path(argument)
        if top.name == "results.json" and top.is_file():
            top = top.parent
        if not top.is_dir():
            excluded.append(Excluded(clean(argument), "missing", "is not a folder"))
            continue
        before = len(runs) + len(excluded), len(seen)
        run = None  # the last run's folder: everything below belongs to it
        for folder, names, files in _folders(top, seen, excluded):
            if "results.json" in files or ".hydra" in names:
                run = folder
            elif run is None or not folder.startswith(run + os.sep):
                excluded.extend(_dangling_links(folder, files))
            if "results.json" in files:
                if (real := os.path.realpath(os.path.join(folder, "results.json"))) not in seen:
                    seen.add(real)
                    found = _read_run(folder)
                    (runs if isinstance(found, Run) else excluded).append(found)  # type: ignore[arg-type]
            elif ".hydra" in names:
                excluded.append(_unfinished(folder, ERROR in files))
        if before[0] == len(runs) + len(excluded) and len(seen) > before[1]:
            excluded.append(Excluded(clean(argument), "missing", "contains no run: no results.json or .hydra below it"))
    return runs, excluded


def _unfinished(folder: str, has_error: bool) -> Excluded:
    """Return why the folder's run has no results.json; error.txt ends with the error of a job that failed."""
    path, lines = os.path.join(folder, ERROR), []
    if has_error and os.path.isfile(path):
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MOST_BYTES).split("\n")
    if last := next((line for line in reversed(lines) if line.strip()), ""):
        return Excluded(clean(folder), "failed", f"failed: {clean(last.strip(), 200)}")
    return Excluded(clean(folder), "unfinished", "has no results.json: it runs or was stopped")


def _folders(top: Path, seen: set[str], excluded: list[Excluded]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk like os.walk, follow links, visit each real folder once and add unreadable folders to `excluded`."""

    def denied(error: OSError) -> None:
        excluded.append(Excluded(clean(str(error.filename)), "unreadable", f"cannot be listed: {error.strerror}"))

    for folder, names, files in os.walk(top, followlinks=True, onerror=denied):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        yield folder, list(names), files
        names[:] = sorted(name for name in names if name not in NOT_RUNS)


def _dangling_links(folder: str, files: list[str]) -> Iterator[Excluded]:
    """Yield broken links, for example to a disk that is not mounted: there may be runs behind them."""
    for path in (os.path.join(folder, name) for name in files):
        if os.path.islink(path) and not os.path.exists(path):
            yield Excluded(clean(path), "missing", f"is a link to {clean(os.readlink(path))}, which does not exist")


def _read_run(folder: str) -> Run | Excluded:
    """Read the run of one folder, or return why it is excluded."""

    def exclude(kind: str, reason: str) -> Excluded:
        return Excluded(clean(folder), kind, reason)

    path = os.path.join(folder, "results.json")
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            return exclude("unreadable", "results.json is not a file")
        if about.st_size > MOST_BYTES:
            return exclude("foreign", f"results.json has {about.st_size / 2**20:.0f} MiB: it is not embedlab's")
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
    except OSError as error:
        return exclude("unreadable", f"results.json cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return exclude("unreadable", "results.json is not UTF-8")
    except (ValueError, RecursionError) as error:
        return exclude("unreadable", f"results.json is broken JSON: {clean(str(error), 80)}")
    if not isinstance(results, dict):
        return exclude("foreign", "results.json is not embedlab's: not an object")
    if results.get("error"):
        return exclude("failed", f"failed: {clean(str(results['error']), 200)}")
    schema = results.get("schema", SCHEMA)  # a file without the key is read as the present schema
    if schema != SCHEMA:
        maker = (
            f"embedlab {clean(str((results.get('versions') or {}).get('embedlab', '?')), 20)}"
            if isinstance(results.get("versions"), dict)
            else "another embedlab"
        )
        return exclude(
            "version",
            f"results.json has schema {clean(str(schema), 20)} ({maker}), this one reads {SCHEMA}: "
            "compare it with the embedlab that wrote it",
        )
    seed, config = results.get("seed"), results.get("config")
    if isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) >= 2**64:
        return exclude("foreign", "results.json is not embedlab's: no whole number in `seed`")
    if not isinstance(config, dict):
        return exclude("foreign", "results.json is not embedlab's: no settings in `config`")
    settings = dict(flatten(config))
    scheme = results.get("position")
    if not isinstance(scheme, str):
        scheme = settings.get("position.name")
    if not isinstance(scheme, str) or not scheme:
        return exclude("foreign", "results.json is not embedlab's: no scheme in `position`")
    settings |= {"position.name": clean(scheme, 80), "seed": seed}
    return Run(folder, seed, settings, results)


def flatten(node: dict[str, Any], prefix: str = "", depth: int = 8) -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of a nested config; a value is a number, text, bool or None; lists become text."""
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
