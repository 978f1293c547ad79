"""Runs whose settings name the same user file with different content: they count as different settings."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from embedlab.compare.finished_run import Run, clean

DIGITS = 8  # of a hash, as many as the corpus name shows


def mark_changed_files(runs: Sequence[Run]) -> None:
    """Add `position.files` (or `model.files`) = `mine.py@1a2b3c4d` to runs that use a file that changed between runs.

    The key belongs to the part of the settings that names the file, so a scheme's file splits only that scheme's rows.
    """
    contents: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for path, sha256 in _hashes(run):
            contents[path].add(sha256)
    for run in runs:
        named: dict[str, list[str]] = defaultdict(list)
        config = run.part("config")
        for path, sha256 in _hashes(run):
            if len(contents[path]) > 1:
                for group in (group for group, node in config.items() if _contains(node, path)):
                    named[group].append(f"{Path(path).name}@{sha256[:DIGITS]}")
        run.settings.update(
            {f"{clean(group, 80)}.files": clean(", ".join(files), 120) for group, files in named.items()}
        )


def _hashes(run: Run) -> Iterator[tuple[str, str]]:
    """Yield (path, sha256) from `files` of results.json; its content is not trusted."""
    found = run.part("files")
    for path, sha256 in found.items() if isinstance(found, dict) else ():
        if isinstance(path, str) and isinstance(sha256, str):
            yield path, sha256


def _contains(node: Any, path: str) -> bool:
    """Return whether the path, or a file that may import it, is anywhere in this part of the settings."""
    if isinstance(node, dict):
        return any(_contains(item, path) for item in node.values())
    return any(_contains(item, path) for item in node) if isinstance(node, list) else _is_named(node, path)


def _is_named(value: Any, path: str) -> bool:
    """Return whether the value is the path, or a scheme's file whose folder holds it."""
    beside = isinstance(value, str) and value.endswith(".py") and Path(path).is_relative_to(Path(value).parent)
    return bool(value == path or (beside and path.endswith(".py")))
