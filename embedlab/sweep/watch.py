"""A sweep's progress: a live table at a terminal; otherwise a line at each job's end and from time to time."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from embedlab.runs.folder import FolderInUseError
from embedlab.runs.progress_channel import Progress
from embedlab.runs.results import diverged_line
from embedlab.sweep.progress import format_duration

log = logging.getLogger("embedlab")
LINE_SECONDS = 30  # between two lines if there is no terminal
SHOWN = 16  # rows of running jobs in the table


class Watch:
    """Shows the running jobs with their progress, and how each job ended."""

    def __init__(self, names: Sequence[str], folders: Sequence[Path], n_jobs: int) -> None:
        self.names, self.folders, self.n_jobs = names, folders, n_jobs
        self.running: dict[int, Progress | None] = {}
        self.counts = {"finished": 0, "failed": 0}
        self.elsewhere = 0  # number of jobs that another command is running
        self.begun = self.shown = time.monotonic()
        console = Console(file=sys.stderr, highlight=False)
        self.live = Live(console=console, refresh_per_second=2, transient=True) if console.is_terminal else None

    def __enter__(self) -> "Watch":
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live is not None:
            self.live.stop()

    def started(self, index: int) -> None:
        """Add the job to those that run."""
        self.running[index] = None

    def progressed(self, index: int, progress: Progress) -> None:
        """Keep the job's latest progress."""
        self.running[index] = progress

    def ended(self, index: int, error: Exception | None) -> None:
        """Log the job's end in one line."""
        self.running.pop(index, None)
        if type(error).__name__ == FolderInUseError.__name__:
            self.elsewhere += 1
            return
        self.counts["failed" if error else "finished"] += 1
        name = self.names[index]
        if error is None:
            log.info("%s — %s%s", name, scores(self.folders[index]), self._left())
        else:
            log.error("error: %s — %s", name, error)

    def tick(self) -> None:
        """Refresh the table; without a terminal, log a line every LINE_SECONDS."""
        if self.live is not None:
            self.live.update(self.table())
        elif time.monotonic() - self.shown >= LINE_SECONDS and self.running:
            self.shown = time.monotonic()
            log.info("%s%s", self.status(), self._left())

    def status(self) -> str:
        """Return `2 running (job 3 at step 120 of 600), 4 finished, 6 waiting`."""
        at = [
            f"{self.names[index].partition(':')[0]} at step {progress.step}{of(progress)}"
            for index, progress in self.running.items()
            if progress is not None
        ]
        parts = [f"{len(self.running)} running" + (f" ({'; '.join(at)})" if at else "")]
        parts += [f"{count} {outcome}" for outcome, count in self.counts.items() if count]
        if waiting := self.waiting:
            parts.append(f"{waiting} waiting")
        return ", ".join(parts)

    @property
    def waiting(self) -> int:
        """The number of jobs that have not started."""
        return len(self.names) - len(self.running) - self.elsewhere - sum(self.counts.values())

    def seconds_left(self) -> float | None:
        """Estimate the time for all remaining jobs from those that have ended; None before the first has ended."""
        done = sum(self.counts.values())
        if not done:
            return None
        total = (time.monotonic() - self.begun) / done * len(self.names)
        return max(0.0, total - (time.monotonic() - self.begun))

    def _left(self) -> str:
        left = self.seconds_left()
        return f", about {format_duration(left)} left" if left is not None and (self.waiting or self.running) else ""

    def table(self) -> Group:
        """Return the running jobs with step, loss and time left, and a line for the whole sweep."""
        table = Table("job", "step", "loss", "left", box=None, padding=(0, 2), header_style="dim")
        for index, progress in [*self.running.items()][:SHOWN]:
            cells = ["starting", "", ""]
            if progress is not None:
                loss = "" if progress.loss is None else f"{progress.loss:.3f}"
                left = "" if progress.seconds_left is None else format_duration(progress.seconds_left)
                left = "evaluating" if progress.step == progress.steps else left
                cells = [f"{progress.step:,}{of(progress)}", loss, left]
            table.add_row(Text(self.names[index]), *cells)
        return Group(table, Text(f"{self.status()}{self._left()}", style="bold"))


def of(progress: Progress) -> str:
    """Return ` of 600`; "" where trainer.max_time ends the training."""
    return "" if progress.steps is None else f" of {progress.steps:,}"


def scores(folder: Path) -> str:
    """Return a finished job's scores in one phrase: `test 2.751 bits/byte, trained in 12 s`."""
    try:
        results = json.loads((folder / "results.json").read_bytes())
        if line := diverged_line(results):
            return line
        seconds = format_duration(results["train_seconds"])
        return f"test {results['test']['bits_per_byte']:.3f} bits/byte, trained in {seconds}"
    except (OSError, ValueError, KeyError, TypeError):  # other scores, or none
        return "finished"
