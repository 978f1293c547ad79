"""Start a command in the background, watch its jobs, send it signals, and find all processes that it started."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import torch

from tests.conftest import ROOT

LONG = 240  # seconds; the machine may be busy


class Started:
    """A command in its own session, as from a terminal."""

    def __init__(self, command: list[str], log: Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex  # inherited by all processes that it starts, whatever their session or parent
        self.log = log
        with open(log, "wb") as file:  # not a pipe, which a process left behind would hold open
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment, "EMBEDLAB_TEST_MARK": self.mark},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Wait until `happened()` is true; fail if the command ends first."""
        until = time.monotonic() + LONG
        while not happened():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < until, self.output
            time.sleep(0.05)

    def stop(self, number: signal.Signals, to_group: bool = False) -> None:
        """Send SIGINT to the process group, as Ctrl-C in a terminal does, other signals to the process alone.

        With `to_group`, another signal goes to the group too, as `timeout` sends its SIGTERM.
        """
        (os.killpg if to_group or number == signal.SIGINT else os.kill)(self.process.pid, number)

    def end(self) -> tuple[int, float]:
        """Wait, and return (exit status, seconds until all processes that it started were gone)."""
        started = time.monotonic()
        status = self.process.wait(LONG)
        while left := self.alive():
            assert time.monotonic() - started < LONG, left
            time.sleep(0.05)
        return status, time.monotonic() - started

    def alive(self) -> list[int]:
        """Return the pids of all processes that it started, directly or not; [] without /proc."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                ours = self.mark.encode() in (path / "environ").read_bytes()
            except OSError:  # it has ended, or is a zombie
                continue
            if ours:
                found.append(int(path.name))
        return found

    def kill(self) -> None:
        """Kill all its processes, so that none outlives a failed test."""
        for pid in (self.process.pid, *self.alive()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def count_progress_lines(folder: Path) -> int:
    """Return how many lines of progress the job has logged so far, over all its starts."""
    log = folder / "train.log"
    return log.read_text(encoding="utf-8").count(" steps/s, ") if log.exists() else 0


def last_step(folder: Path) -> int:
    """Return the step of last.ckpt, or 0 before there is one."""
    path = folder / "checkpoints" / "last.ckpt"
    return int(torch.load(path, weights_only=True)["global_step"]) if path.exists() else 0
