"""A run's history on disk, cut back to a checkpoint's time: no row is lost or doubled when the run goes on."""

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
from embedlab.runs.ownership import EVENTS, own_events, own_history

CSV = "metrics.csv"


class MetricsWriter(_ExperimentWriter):
    """Lightning's, but goes on with a metrics.csv that is there, and never leaves half of one."""

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self.path = Path(log_dir, CSV)
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as file:
                self.metrics_keys = list(csv.DictReader(file).fieldnames or [])

    def log_metrics(self, metrics_dict: dict[str, Any], step: int | None = None) -> None:
        """Record a row; a NaN or an infinity leaves its cell empty."""
        plain = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics_dict.items()}
        super().log_metrics({name: value for name, value in plain.items() if math.isfinite(value)}, step)

    def _check_log_dir_exists(self) -> None:
        """Lightning deletes the file here."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        rewrite(self.path, fieldnames, read(self.path))


class MetricsCSV(CSVLogger):
    """metrics.csv in the run's folder."""

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="")

    @property
    def experiment(self) -> Any:
        if self._experiment is None and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            self._experiment = MetricsWriter(log_dir=self.log_dir)
        return self._experiment


def read(path: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv; a last line that a kill cut off is left out."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def rewrite(path: Path, fieldnames: list[str], rows: list[dict[str, Any]]) -> None:
    """Write the whole file anew, at once or not at all."""
    with atomic_write(path, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fieldnames)
        writer.writeheader()
        writer.writerows(rows)


def sizes_of_events(folder: Path) -> dict[str, int]:
    """Bytes of each of the run's own event files, by path below its folder."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in own_events(folder)}


def cut_back(folder: Path, step: int, event_sizes: dict[str, int]) -> None:
    """Take away what the run wrote after a checkpoint: metrics.csv from `step` on, its events past `event_sizes`.

    Raises UserError where metrics.csv is not as a run writes it. Event files of other programs stay as they are.
    """
    path = folder / CSV
    if path.exists():
        rows = read(path)
        if rows and "step" not in rows[0]:
            raise UserError(f"{path} is none that a run wrote (it has no column step): move it away, then resume")
        rewrite(path, list(rows[0]) if rows else ["step"], [row for row in rows if not _from(row, step)])
    for found in folder.joinpath(EVENTS).rglob("events.out.tfevents.*"):
        kept = event_sizes.get(found.relative_to(folder).as_posix())
        if kept is not None and kept < found.stat().st_size:
            os.truncate(found, kept)
    for own in own_events(folder):
        if own.relative_to(folder).as_posix() not in event_sizes:
            own.unlink()


def _from(row: dict[str, str], step: int) -> bool:
    """Whether the row is of this step or a later one; a row without a step is none that a run wrote."""
    return row["step"].isdecimal() and int(row["step"]) >= step


def clear(folder: Path) -> None:
    """Nothing to resume from: take away what a killed run left behind, and nothing else."""
    for path in own_history(folder):
        path.unlink(missing_ok=True)
