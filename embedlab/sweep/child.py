"""A job's process, as the sweep sees it: started, read, stopped. Imports no torch.

On Linux a fork server imports torch and Lightning once, and each job is forked from it in milliseconds. On other
systems a fork after such imports is not safe: each job's process starts from scratch and imports them itself.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

import cloudpickle

from embedlab.runs.folder import FolderInUseError
from embedlab.runs.progress_channel import Progress
from embedlab.runs.signals import STATUSES, handle_signals
from embedlab.sweep.job_process import SECONDS_TO_SAVE, Ended, Task, run_task
from embedlab.sweep.jobs import JobError

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
VIEWS = ("figures", "hparams", "layout", "projector", "texts")  # Hydra imports them by name in each job
PRELOAD = [  # torch and Lightning with them
    "embedlab.cli",
    "embedlab.evaluation",
    "embedlab.training.run",
    *(f"embedlab.tensorboard.{name}" for name in VIEWS),
]


def warm_up() -> None:
    """Start the fork server, whose imports take seconds, before the first job."""
    root = str(Path(__file__).parents[2])  # of a checkout's package that is not installed
    if root not in (paths := os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, paths)])
    if METHOD == "forkserver":
        multiprocessing.get_context(METHOD).set_forkserver_preload(PRELOAD)
        # a SIGTERM to the whole group, as of `timeout`, must not end the fork server, which reports how jobs end
        with handle_signals(signal.SIG_IGN):
            forkserver.ensure_running()


class Child:
    """A job in a process of its own."""

    def __init__(self, task: Task, slot: int) -> None:
        context = multiprocessing.get_context(METHOD)
        self.slot, self.number = slot, task.number
        # our end receives its messages and sends it signals; when this process ends, the job sees it close
        self.link, theirs = context.Pipe()
        self.process = context.Process(  # type: ignore[attr-defined]  # typeshed: not on a context chosen by name
            target=run_task, args=(cloudpickle.dumps(task), theirs), name=f"job {task.number + 1}"
        )
        self.process.start()
        theirs.close()
        self.ended: Ended | None = None

    def read(self) -> Progress | None:
        """Read all that it has sent, and return the latest progress among it."""
        latest = None
        while self.link.poll():
            try:
                message = self.link.recv()
            except (EOFError, OSError):
                time.sleep(0.01)  # the link closes a moment before the process is gone
                break
            if isinstance(message, Ended):
                self.ended = message
            else:
                latest = message
        return latest

    def error(self) -> JobError | FolderInUseError | None:
        """Return why the process, which is gone, did not finish its job; None if it did."""
        self.process.join()
        self.read()
        self.link.close()
        if self.ended is not None:
            return self.ended.error
        code = self.process.exitcode or 0
        if code < 0:
            return JobError(f"its process was killed by signal {-code}{' (out of memory?)' if code == -9 else ''}")
        if code in STATUSES:
            return JobError(f"stopped by signal {code - 128}, saved: the same command resumes it")
        return JobError(f"its process exited with status {code} and no message")


def stop(children: Collection[Child], number: int) -> None:
    """Forward the signal to all jobs, and return when they have saved and exited; kill those that take too long."""
    for one in children:
        with suppress(OSError):  # it has just ended
            one.link.send(number)
    until = time.monotonic() + SECONDS_TO_SAVE
    while (alive := [one for one in children if one.process.is_alive()]) and time.monotonic() < until:
        for one in alive:
            one.read()  # a full link would keep it from exiting
        time.sleep(0.05)
    for one in children:
        one.process.kill()
        one.process.join()
