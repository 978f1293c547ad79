"""A command that runs beside the test: its jobs watched, signals sent, whatever it started looked for."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import torch

from tests.conftest import ROOT

LONG = 240  # seconds: the machine may be busy


class Started:
    """A command line in a session of its own, as from a terminal."""

    def __init__(self, command: list[str], log: Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex  # all that it starts inherit it, whatever session or parent they have
        self.log = log
        with open(log, "wb") as file:  # no pipe: a process left behind would hold it open
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment, "EMBEDLAB_TEST_MARK": self.mark},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, happened: Callable[[], bool]) -> None:
        until = time.monotonic() + LONG
        while not happened():
            assert self.process.poll() is None, self.told
            assert time.monotonic() < until, self.told
            time.sleep(0.05)

    def stop(self, number: signal.Signals) -> None:
        """SIGINT to the whole process group, as a terminal's Ctrl-C; others to the one process."""
        (os.killpg if number == signal.SIGINT else os.kill)(self.process.pid, number)

    def end(self) -> tuple[int, float]:
        """(exit status, seconds until nothing that it started was left)."""
        started = time.monotonic()
        status = self.process.wait(LONG)
        while left := self.alive():
            assert time.monotonic() - started < LONG, left
            time.sleep(0.05)
        return status, time.monotonic() - started

    def alive(self) -> list[int]:
        """Processes that it started, at any remove; [] where the system does not tell (no /proc)."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                ours = self.mark.encode() in (path / "environ").read_bytes()
            except OSError:  # gone meanwhile, or a zombie
                continue
            if ours:
                found.append(int(path.name))
        return found

    def kill(self) -> None:
        """Leave nothing to the tests after a failed one."""
        for pid in (self.process.pid, *self.alive()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def steps_told(folder: Path) -> int:
    """How many lines of progress the job has written by now, over all its starts."""
    log = folder / "train.log"
    return log.read_text(encoding="utf-8").count(" steps/s, ") if log.exists() else 0


def last_step(folder: Path) -> int:
    """Of last.ckpt; 0 before there is one."""
    path = folder / "checkpoints" / "last.ckpt"
    return int(torch.load(path, weights_only=True)["global_step"]) if path.exists() else 0
