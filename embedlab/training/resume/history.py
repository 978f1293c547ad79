"""A run's history on disk, truncated to a checkpoint's step, so that a resumed run loses and repeats no row."""

import csv
import math
import os
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_write
from embedlab.runs.ownership import EVENTS, claim, find_foreign_files, is_marked, own_events, own_history

CSV = "metrics.csv"


class MetricsWriter(_ExperimentWriter):
    """Lightning's writer, but it continues an existing metrics.csv and never leaves an incomplete one."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self.path = Path(log_dir, CSV)
        if self.path.exists():
            if not is_marked(self.path.parent):
                raise UserError(
                    f"{self.path} is there already, and no run of embedlab wrote it: give another folder, as "
                    "logger.csv.save_dir=FOLDER"
                )
            with open(self.path, newline="", encoding="utf-8") as file:
                self.metrics_keys = list(csv.DictReader(file).fieldnames or [])

        elif not find_foreign_files(self.path.parent):  # a folder other than the run's, to be recognised on resume
            claim(self.path.parent)

    def log_metrics(self, metrics_dict: dict[str, Any], step: int | None = None) -> None:
        """Record a row; the cell of a NaN or an infinity is empty."""
        numbers = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics_dict.items()}
        super().log_metrics({name: value for name, value in numbers.items() if math.isfinite(value)}, step)

    def _check_log_dir_exists(self) -> None:
        """Keep the file, which Lightning would delete here."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        write_rows(self.path, fieldnames, read_rows(self.path))


class MetricsCSV(CSVLogger):
    """metrics.csv in the run's folder."""

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="")

    @property
    def experiment(self) -> Any:
        if self._experiment is None and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            self._experiment = MetricsWriter(log_dir=self.log_dir)
        return self._experiment


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of metrics.csv without an incomplete last line, which a killed run may leave."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def write_rows(path: Path, fieldnames: list[str], rows: list[dict[str, Any]]) -> None:
    """Replace the whole file, completely or not at all."""
    with atomic_write(path, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fieldnames)
        writer.writeheader()
        writer.writerows(rows)


def event_sizes(folder: Path) -> dict[str, int]:
    """Return the size in bytes of each of the run's own event files, by path relative to its folder."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in own_events(folder)}


def truncate(folder: Path, step: int, event_sizes: dict[str, int]) -> None:
    """Remove what the run wrote after a checkpoint: rows of metrics.csv from `step` on, events beyond `event_sizes`.

    Raises UserError if metrics.csv was not written by a run. Event files of other programs stay as they are.
    """
    path = folder / CSV
    if path.exists():
        rows = read_rows(path)
        if rows and "step" not in rows[0]:
            raise UserError(f"{path} was not written by a run (it has no column step): move it away, then resume")
        write_rows(path, list(rows[0]) if rows else ["step"], [row for row in rows if not _is_from(row, step)])
    for found in folder.joinpath(EVENTS).rglob("events.out.tfevents.*"):
        size = event_sizes.get(found.relative_to(folder).as_posix())
        if size is not None and size < found.stat().st_size:
            os.truncate(found, size)
    for own in own_events(folder):
        if own.relative_to(folder).as_posix() not in event_sizes:
            own.unlink()


def _is_from(row: dict[str, str], step: int) -> bool:
    """Return whether the row is of this step or a later one; False for a row without a step, which no run writes."""
    return row["step"].isdecimal() and int(row["step"]) >= step


def clear(folder: Path) -> None:
    """Remove what a killed run left behind, and nothing else, if there is no checkpoint to resume from."""
    for path in own_history(folder):
        path.unlink(missing_ok=True)
