"""A run's history on disk, cut back to a checkpoint's time: no row is lost or doubled when the run goes on."""

import csv
import math
import os
import shutil
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from embedlab.runs import looking
from embedlab.runs.atomic_write import atomic_write

CSV = "metrics.csv"
EVENTS = "tensorboard"


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
    """Bytes of each of TensorBoard's event files, by path below the run's folder."""
    files = folder.joinpath(EVENTS).rglob("events.out.tfevents.*")
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def cut_back(folder: Path, step: int, event_sizes: dict[str, int]) -> None:
    """Take away what was written after a checkpoint: metrics.csv from `step` on, events past `event_sizes`."""
    path = folder / CSV
    if path.exists():
        rows = read(path)
        rewrite(path, list(rows[0]) if rows else ["step"], [row for row in rows if int(row["step"]) < step])
    for name in sizes_of_events(folder):
        if name in event_sizes:
            os.truncate(folder / name, event_sizes[name])
        else:
            (folder / name).unlink()


def clear(folder: Path) -> None:
    """Nothing to go on from: take away what a killed run left behind."""
    for name in (CSV, looking.LOG):
        folder.joinpath(name).unlink(missing_ok=True)
    for name in (EVENTS, "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)
