"""The processes that launchers start for jobs: a signal to the sweep reaches them, and none is left behind."""

import contextlib
import functools
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from embedlab.runs.folder import worked_on_by

SECONDS = 40  # for a step's end and a checkpoint; a job on several devices gives its processes 30
stopped: list[int] = []  # the status that a signal ended this process's job with: joblib's workers would begin another


class Processes:
    """joblib's workers are Python's own children and end with us; submitit's would neither be told nor end."""

    def __init__(self) -> None:
        self.submitit: list[subprocess.Popen[Any]] = []  # one for each job, in a session of its own

    @contextmanager
    def remembered(self, launcher: object) -> Iterator[None]:
        """What hydra/launcher=local starts meanwhile is known to `end`, and ended where the sweep fails.

        In a session of its own, because at a terminal's Ctrl-C each of submitit's processes prints a traceback and
        kills its job after a second, whether that has saved or not.
        """
        if type(launcher).__name__ != "LocalLauncher":
            yield
            return
        from submitit.local import local

        before, local.subprocess = local.subprocess, SimpleNamespace(Popen=self._start)  # type: ignore[assignment]
        try:
            yield
        finally:
            local.subprocess = before
            self._kill(self.submitit)
            self.submitit.clear()

    def _start(self, *args: Any, **settings: Any) -> subprocess.Popen[Any]:
        self.submitit.append(subprocess.Popen(*args, **settings, start_new_session=True))
        return self.submitit[-1]

    def end(self, number: int, folders: list[Path]) -> None:
        """Send the signal to every job in `folders` that ours work on, and wait until they have saved.

        Those of submitit's that work on none are killed: they would begin one, and pass over any signal before that.
        joblib's must stay until all have saved: where one dies it kills the others.
        """
        told: set[int] = set()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            workers = {child.pid for child in multiprocessing.active_children() if child.pid}
            working = {pid: os.getsid(pid) for pid in map(worked_on_by, folders) if pid and _send(pid, 0)}
            busy = {pid for pid in working if pid in workers or working[pid] in {one.pid for one in self.submitit}}
            self._kill([one for one in self.submitit if one.pid not in {working[pid] for pid in busy}])
            if not busy:
                return
            for pid in busy - told:
                _send(pid, number)
            told |= busy
            time.sleep(0.05)

    def _kill(self, processes: list[subprocess.Popen[Any]]) -> None:
        """With all that they have started."""
        for process in processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _send(pid: int, number: int) -> bool:
    """Whether there is such a process of ours; 0 only asks."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@functools.cache
def exit_with_parent() -> None:
    """Let this process, a worker of joblib's, end where the sweep's process was killed: its job first saves.

    Ctrl-C is nothing to it between two jobs: it would die of it, and joblib kills all others where one dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    until = time.monotonic() + SECONDS
    while not stopped and time.monotonic() < until:
        time.sleep(0.1)
    os._exit(128 + signal.SIGTERM)
