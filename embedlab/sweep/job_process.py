"""The process of one job: runs it as Hydra does, reports its progress, and stops when the sweep says so or ends."""

import os
import pickle
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from embedlab.runs import progress_channel
from embedlab.runs.folder import FolderInUseError
from embedlab.runs.full_disk import report_full_disk
from embedlab.runs.ownership import claim
from embedlab.runs.progress_channel import Progress
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.sweep.jobs import JobError, set_number
from embedlab.training.whole_config import register_resolvers

OUTPUT = "output.txt"  # in the job's folder: what its process prints, which the sweep's terminal does not show
SECONDS_TO_SAVE = 40  # to finish a step and save a checkpoint; a job on several devices gives its processes 30
REPORT_SECONDS = 0.5  # between two reports of progress


@dataclass(frozen=True)
class Task:
    """All that a process needs to run one job; pickled by cloudpickle, as some settings' classes are in no module."""

    number: int  # of the job in the sweep, from 0
    overrides: list[str]
    folder: Path
    config: DictConfig  # the sweep's own, which each job's is composed from
    hydra_context: HydraContext
    task_function: TaskFunction
    singletons: dict[Any, Any]  # Hydra's global state
    environment: dict[str, str]  # variables of this job alone


@dataclass(frozen=True)
class Ended:
    """The end of a job, as its own process reports it."""

    error: JobError | FolderInUseError | None  # None if the job is finished
    value: Any = None  # that it returned, for sweepers that optimise


def run_task(pickled: bytes, link: Connection) -> None:
    """Run the job of a pickled `Task`. The exit status is 0 if `Ended` was sent, otherwise that of a signal."""
    if hasattr(os, "setsid"):
        os.setsid()  # a terminal's Ctrl-C reaches the job through the sweep alone
    threading.Thread(target=_obey, args=(link,), daemon=True).start()
    with handle_signals(exit_at_once):
        task: Task = pickle.loads(pickled)
        os.environ.update(task.environment)
        progress_channel.listeners.append(_Reporter(link))
        Singleton.set_state(task.singletons)
        setup_globals()
        register_resolvers()
        value = None
        try:
            with report_full_disk(task.folder):
                claim(task.folder)
                _redirect_output(task.folder)
            cfg = task.hydra_context.config_loader.load_sweep_config(task.config, task.overrides)
            set_number(cfg, task.number)
            result = run_job(task.task_function, cfg, "hydra.sweep.dir", "hydra.sweep.subdir", task.hydra_context)
            if result.status == JobStatus.COMPLETED:
                error, value = None, result.return_value
            else:
                error = result._return_value
        except Exception as failed:  # while composing, or a full disk; the job's own errors are in its JobReturn
            error = failed
        if error is not None and not isinstance(error, FolderInUseError):
            error = JobError((str(error).strip() or type(error).__name__).splitlines()[0])
        link.send(Ended(error, value))


def _redirect_output(folder: Path) -> None:
    """Redirect all output of the process, also that of C libraries, to a file beside the job's log."""
    file = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


class _Reporter:
    """Sends progress to the sweep, at most every REPORT_SECONDS."""

    def __init__(self, link: Connection) -> None:
        self.link = link
        self.sent = 0.0

    def __call__(self, progress: Progress) -> None:
        if (now := time.monotonic()) - self.sent >= REPORT_SECONDS:
            self.sent = now
            try:
                self.link.send(progress)
            except OSError:  # the sweep is gone: the thread below ends the job
                return


def _obey(link: Connection) -> None:
    """Raise the signals whose numbers the sweep sends; save and exit when its process has ended in any way, which
    closes its end of the link.
    """
    try:
        while True:
            _raise_here(link.recv())
    except (EOFError, OSError):
        _raise_here(signal.SIGTERM)
        time.sleep(SECONDS_TO_SAVE)
        os._exit(128 + signal.SIGTERM)


def _raise_here(number: int) -> None:
    """Raise a signal in this process. On Windows os.kill would end it without its handler."""
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)  # interrupts a wait of the main thread too
