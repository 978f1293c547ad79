"""A sweep's progress: a live table at a terminal; otherwise a line at each job's end and from time to time."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embedlab.runs.folder import FolderInUseError
from embedlab.runs.progress_channel import Progress
from embedlab.runs.results import diverged_line
from embedlab.sweep.jobs import Job

log = logging.getLogger("embedlab")
LINE_SECONDS = 30  # between two lines if there is no terminal
TABLE_SECONDS = 0.5  # between two refreshes of the table
OTHER_LINES = 5  # of the terminal, beside the rows of running jobs: header, more, status (two if narrow), cursor


class Watch:
    """Shows the running jobs with their progress, and how each job ended."""

    def __init__(self, jobs: Sequence[Job], console: Console | None = None) -> None:
        self.jobs = jobs
        self.running: dict[int, Progress | None] = {}  # by the job's index
        self.counts = {"finished": 0, "failed": 0}
        self.elsewhere = 0  # number of jobs that another command is running
        self.begun = self.shown = time.monotonic()
        self.console = console or Console(file=sys.stderr, highlight=False)
        self.at_terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        self.live: Live | None = None  # the table where it is shown now

    def __enter__(self) -> "Watch":
        self._show()
        return self

    def __exit__(self, *error: object) -> None:
        self._erase()

    def started(self, index: int) -> None:
        """Add the job to those that run."""
        self.running[index] = None

    def progressed(self, index: int, progress: Progress) -> None:
        """Keep the job's latest progress."""
        self.running[index] = progress

    def ended(self, index: int, error: Exception | None) -> None:
        """Log the job's end in one line."""
        self.running.pop(index, None)
        if isinstance(error, FolderInUseError):
            self.elsewhere += 1
            return
        self.counts["failed" if error else "finished"] += 1
        self._erase()  # or the line would run into the table
        job = self.jobs[index]
        if error is None:
            log.info("%s — %s%s", job, scores(job.folder), self._left())
        else:
            log.error("error: %s — %s", job, error)
        self._show()

    def tick(self) -> None:
        """Refresh the table; without a terminal, log a line every LINE_SECONDS."""
        pause = TABLE_SECONDS if self.at_terminal else LINE_SECONDS
        if (now := time.monotonic()) - self.shown < pause or not self.running:
            return
        self.shown = now
        if self.at_terminal:
            self._show()
        else:
            at = [
                f"job {self.jobs[index].number + 1} at step {step_of(progress)}"
                for index, progress in self.running.items()
                if progress is not None
            ]
            log.info("%s%s", self.status(f" ({'; '.join(at)})" if at else ""), self._left())

    def _show(self) -> None:
        """Show the table, or refresh it, if there is a terminal."""
        if self.live is not None:
            self.live.update(self.table(), refresh=True)
        elif self.at_terminal:
            self.live = Live(self.table(), console=self.console, auto_refresh=False, transient=True)
            self.live.start(refresh=True)

    def _erase(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None  # started again, it would move the cursor up by the height of its last table

    def status(self, running: str = "") -> str:
        """Return `2 running, 4 finished, 6 waiting`, with more about the running ones."""
        waiting = len(self.jobs) - len(self.running) - self.elsewhere - sum(self.counts.values())
        counts = {f"running{running}": len(self.running), **self.counts, "waiting": waiting}
        return ", ".join(f"{count} {state}" for state, count in counts.items() if count)

    def seconds_left(self) -> float | None:
        """Estimate the time for all remaining jobs from what is done of all; None before the first has ended."""
        if not (ended := sum(self.counts.values())):
            return None
        parts = [one.step / one.steps for one in self.running.values() if one is not None and one.steps]
        done, spent = ended + sum(parts), time.monotonic() - self.begun
        return max(0.0, spent / done * (len(self.jobs) - self.elsewhere - done))

    def _left(self) -> str:
        left = self.seconds_left()
        return f", about {format_duration(left)} left" if left else ""

    def table(self) -> Group:
        """Return the running jobs with step, loss and time left, and a line for the whole sweep."""
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column("job")  # the only one that becomes narrower
        for name in ("step", "loss", "left"):
            table.add_column(name, justify="right", no_wrap=True)
        room = max(1, self.console.height - OTHER_LINES)
        for index, progress in [*self.running.items()][:room]:
            cells = ["started", "", ""]
            if progress is not None:
                loss = "" if progress.loss is None else f"{progress.loss:.3f}"
                left = "" if progress.seconds_left is None else format_duration(progress.seconds_left)
                left = "scoring" if progress.step == progress.steps else left
                cells = [step_of(progress, "/"), loss, left]
            job = self.jobs[index]
            name = f"{job.number + 1}  {job.name.partition(': ')[2]}"
            table.add_row(Text(name, no_wrap=True, overflow="ellipsis"), *cells)
        more = [Text(f" … and {len(self.running) - room} more")] if len(self.running) > room else []
        return Group(table, *more, Padding(Text(f"{self.status()}{self._left()}", style="bold"), (0, 1)))


def step_of(progress: Progress, of: str = " of ") -> str:
    """Return `120 of 1,200`; `120` where trainer.max_time ends the training."""
    return f"{progress.step:,}" + ("" if progress.steps is None else f"{of}{progress.steps:,}")


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


def format_duration(seconds: float) -> str:
    """Return `50 s`, `12 min` or `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
