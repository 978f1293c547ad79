"""The folder of a comparison: whose files are in it, and the tables that are written there."""

import json
import os
from pathlib import Path
from typing import Any

from embedlab import __version__
from embedlab.compare.comparison import Comparison
from embedlab.compare.markdown_table import markdown_table
from embedlab.compare.records import pair_records, row_records, to_csv
from embedlab.compare.statistics import LEVEL
from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_write
from embedlab.runs.ownership import MARK

OURS = "embedlab.compare"  # `made_by` in comparison.json: it identifies a folder written by this command
FILES = ("comparison.csv", "comparison.json", "comparison.md", "pairs.csv", "report.html")
FIRST_FILES = [name for name in FILES if name != "pairs.csv"]  # of a comparison that does not record its files


def prepare_folder(folder: Path) -> None:
    """Create the folder. Raises UserError if it is a run's, contains other people's files or cannot be created."""
    if any((folder / name).exists() for name in ("results.json", ".hydra", MARK)):
        raise UserError(f"--output {folder} is a run's folder: give another one, as --output comparison")
    earlier = _read_earlier(folder)
    ours = (earlier.get("files") or FIRST_FILES) if earlier else []
    if foreign := [name for name in FILES if os.path.lexists(folder / name) and name not in ours]:
        raise UserError(f"--output {folder} contains a {foreign[0]} that no comparison wrote: give another folder")
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {folder} cannot be created: {error.strerror}; give another folder") from error


def refuse_foreign_figures(folder: Path, figures: list[str]) -> None:
    """Raise UserError if one of these `figures` exists and no earlier comparison wrote it."""
    earlier = _read_earlier(folder).get("figures") or []
    if foreign := [name for name in figures if os.path.lexists(folder / "figures" / name) and name not in earlier]:
        raise UserError(
            f"--output {folder} contains a figures/{foreign[0]} that no comparison wrote: give another folder"
        )


def remove_earlier_figures(folder: Path) -> None:
    """Remove the figures of an earlier comparison in this folder, so that no outdated one stays."""
    for name in _read_earlier(folder).get("figures") or []:
        if isinstance(name, str) and Path(name).name == name and name.endswith((".png", ".svg")):
            (folder / "figures" / name).unlink(missing_ok=True)


def _read_earlier(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and found.get("made_by") == OURS else {}
    except (OSError, ValueError, RecursionError):
        return {}


def write_text(path: Path, text: str) -> None:
    """Write the file completely or not at all."""
    with atomic_write(path, newline="") as file:
        file.write(text)


def write_tables(comparison: Comparison, folder: Path, refused: list[str], figures: list[str]) -> None:
    """Write the four files; comparison.json first, because it proves that the others and the figures are ours."""
    rows, pairs = row_records(comparison), list(pair_records(comparison))
    whole = {
        "made_by": OURS,
        "version": __version__,
        "metric": comparison.metric.name,
        "also": [metric.name for metric in comparison.also],
        "unit": comparison.metric.unit,
        "higher_is_better": comparison.metric.higher_is_better,
        "by": comparison.by,
        "level": LEVEL,
        "runs": len(comparison.runs),
        "rows": rows,
        "pairs": pairs,
        "advice": [
            {"group": group.title, "topic": found.topic, "sentence": found.sentence}
            for group in comparison.groups
            for found in group.advice
        ],
        "refused": refused,
        "notes": comparison.notes,
        "left_out": [{"path": item.path, "kind": item.kind, "reason": item.reason} for item in comparison.excluded],
        "files": FILES,
        "figures": figures,
    }
    write_text(folder / "comparison.json", json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(folder / "comparison.csv", to_csv(rows, excluded="values"))
    write_text(folder / "pairs.csv", to_csv(pairs))
    write_text(folder / "comparison.md", markdown_table(comparison))
