"""`hydra/launcher=processes`: each job in a fresh process, several side by side. Imports no torch.

On Linux a fork server imports torch and Lightning once, and each job is forked from it in milliseconds. On other
systems a fork after such imports is not safe: each job's process starts from scratch and imports them itself. The
operating system isolates jobs from one another: what a job changes in its process, or a kill, affects that job only.
"""

import itertools
import logging
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from embedlab.runs.progress_channel import Progress
from embedlab.runs.signals import STATUSES
from embedlab.sweep.job_process import SECONDS_TO_SAVE, Ended, Task, run_task

log = logging.getLogger("embedlab")
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
POLL_SECONDS = 0.2
PRELOAD = ["embedlab.cli", "embedlab.evaluation", "embedlab.training.run"]  # torch and Lightning with them


class JobError(Exception):
    """The failure of a job, in one line."""


class Watcher(Protocol):
    """An observer of the sweep, called with the index of the job that something happens to."""

    def started(self, index: int) -> None: ...
    def progressed(self, index: int, progress: Progress) -> None: ...
    def ended(self, index: int, error: Exception | None) -> None: ...
    def tick(self) -> None: ...


@dataclass
class Running:
    """A job in its process."""

    process: BaseProcess
    link: connection.Connection  # receives its messages; when this process ends, the job sees the link close
    ended: Ended | None = None


class Processes(Launcher):
    """Hydra's launcher interface over `Pool`."""

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs need."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config
        self.running: dict[int, Running] = {}
        self.received = 0  # number of a signal to forward to all jobs; 0 for none

    def warm_up(self) -> None:
        """Start the fork server, whose imports take seconds, before the first job."""
        if METHOD == "forkserver":
            root = str(Path(__file__).parents[2])  # of a checkout's package that is not installed
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
            multiprocessing.get_context(METHOD).set_forkserver_preload(PRELOAD)
            forkserver.ensure_running()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs one after another, without a watcher."""
        folders = [Path(self.config.hydra.sweep.dir)] * len(job_overrides)
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        return self.run(job_overrides, folders, numbers, 1, SilentWatcher())

    def run(
        self,
        job_overrides: Sequence[Sequence[str]],
        folders: Sequence[Path],
        numbers: Sequence[int],
        n_jobs: int,
        watcher: Watcher,
    ) -> list[JobReturn]:
        """Run all jobs, at most `n_jobs` at once, and return their results in the given order."""
        self.warm_up()
        context = multiprocessing.get_context(METHOD)
        singletons = Singleton.get_state()
        waiting = deque(range(len(job_overrides)))
        returns: list[JobReturn | None] = [None] * len(job_overrides)
        slots = itertools.cycle(range(n_jobs))
        while waiting or self.running:
            if self.received:
                self._stop()
            while waiting and len(self.running) < n_jobs:
                index = waiting.popleft()
                task = Task(
                    number=numbers[index],
                    overrides=[*job_overrides[index]],
                    folder=folders[index],
                    config=self.config,
                    hydra_context=self.hydra_context,
                    task_function=self.task_function,
                    singletons=singletons,
                    environment=self.environment(next(slots), n_jobs),
                )
                self.running[index] = self._start(context, task)
                watcher.started(index)
            for index, error in self._wait(watcher):
                watcher.ended(index, error)
                returns[index] = _job_return(error)
            watcher.tick()
        return [result for result in returns if result is not None]

    def environment(self, slot: int, n_jobs: int) -> dict[str, str]:
        """Return the environment variables of a job in this slot."""
        return {}

    def _stop(self) -> None:
        """Forward the signal to all running jobs, wait until they have saved and exited, and exit with its status."""
        for one in self.running.values():
            _send(one.process, self.received)
        until = time.monotonic() + SECONDS_TO_SAVE
        for one in self.running.values():
            while one.process.is_alive() and time.monotonic() < until:
                while one.link.poll(POLL_SECONDS) and _received(one.link) is not None:
                    pass  # read on: a full pipe would keep the job from exiting
            if one.process.is_alive():
                one.process.kill()
            one.process.join()
        raise SystemExit(128 + self.received)

    def _start(self, context: Any, task: Task) -> Running:
        ours, theirs = context.Pipe()
        process = context.Process(
            target=run_task, args=(cloudpickle.dumps(task), theirs), name=f"job {task.number + 1}"
        )
        process.start()
        theirs.close()
        return Running(process, ours)

    def _wait(self, watcher: Watcher) -> list[tuple[int, Exception | None]]:
        """Handle the jobs' messages; return (index, error) of the jobs that have exited."""
        links = {one.link: index for index, one in self.running.items()}
        sentinels = {one.process.sentinel: index for index, one in self.running.items()}
        ready = connection.wait([*links, *sentinels], POLL_SECONDS)
        for link in ready:
            if link in links:
                self._read(links[link], watcher)
        exited = []
        for sentinel in ready:
            if sentinel in sentinels:
                index = sentinels[sentinel]
                one = self.running[index]
                one.process.join()
                self._read(index, watcher)
                del self.running[index]
                one.link.close()
                exited.append((index, _error(one)))
        return exited

    def _read(self, index: int, watcher: Watcher) -> None:
        one = self.running[index]
        while one.link.poll():
            message = _received(one.link)
            if message is None:
                time.sleep(0.01)  # the link closes a moment before the process is gone
                return
            if isinstance(message, Ended):
                one.ended = message
            else:
                watcher.progressed(index, message)


class SilentWatcher:
    """A watcher that does nothing."""

    def started(self, index: int) -> None: ...
    def progressed(self, index: int, progress: Progress) -> None: ...
    def ended(self, index: int, error: Exception | None) -> None: ...
    def tick(self) -> None: ...


def _received(link: connection.Connection) -> Any:
    try:
        return link.recv()
    except (EOFError, OSError):
        return None


def _send(process: BaseProcess, number: int) -> None:
    if process.pid is not None and process.is_alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _error(one: Running) -> Exception | None:
    """Return why the job's process exited without finishing its job; None if the job is finished."""
    if one.ended is not None:
        if one.ended.error is None:
            return None
        kind: type[JobError] = type(one.ended.kind, (JobError,), {})
        return kind(one.ended.error)
    code = one.process.exitcode or 0
    if code < 0:
        return JobError(f"its process was killed by signal {-code}{' (out of memory?)' if code == -9 else ''}")
    if code in STATUSES:
        return JobError(f"stopped by signal {code - 128}, saved: the same command resumes it")
    return JobError(f"its process exited with status {code} and no message")


def _job_return(error: Exception | None) -> JobReturn:
    result = JobReturn()
    result.status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    result.return_value = error
    return result
