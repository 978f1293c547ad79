"""Hydra's basic sweeper, which can be given the same sweep again and tells at the end what became of each job."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from embedlab.config.errors import UserError
from embedlab.data.finished import finished_results
from embedlab.positions.check import check_config
from embedlab.runs import folder as job
from embedlab.runs.folder import quoted
from embedlab.runs.full_disk import full_disk, message
from embedlab.runs.signals import at_once, handled_by
from embedlab.sweep.composing import Composer
from embedlab.sweep.points import points_of
from embedlab.sweep.processes import Processes
from embedlab.sweep.progress import names, show

log = logging.getLogger("embedlab")


class Job:
    """One point of the sweep."""

    def __init__(self, number: int, name: str, overrides: list[str], folder: Path) -> None:
        self.number = number
        self.name = name
        self.overrides = overrides
        self.folder = folder
        self.outcome = ""  # finished, skipped or failed, once it is known
        self.reason = ""

    def __str__(self) -> str:
        return self.name

    def end(self, outcome: str, reason: str = "") -> None:
        self.outcome, self.reason = outcome, reason


class Sweeper(BasicSweeper):
    """Passes over finished jobs, goes on with interrupted ones, and outlives failed ones.

    Under the basic launcher jobs run one by one, under others all at once. A job that another process works on is
    waited for when all else is done. Where a job's process is killed, launchers give up: those that were running are
    then launched again one by one, so that the one to blame is known, and the rest after them.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None,
        instead: Mapping[str, Mapping[str, Any]] | None,
        **told_to_jobs: Any,
    ) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)
        self.instead = instead or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task_function = task_function

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None and self.hydra_context is not None
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        top = Path(self.config.hydra.sweep.dir)
        top.mkdir(parents=True, exist_ok=True)
        self.compose = Composer(self.hydra_context.config_loader, self.config)
        points = points_of(self.compose.parser, self._parse_config(), arguments, self.instead)
        self.jobs = [
            self._look_at(*about) for about in zip(range(1, len(points) + 1), names(points), points, strict=True)
        ]
        OmegaConf.save(self.config, top / "multirun.yaml")
        self.begun = time.time()
        self.to_run = sum(not one.outcome for one in self.jobs)
        self.processes, self.stopping = Processes(), False
        with handled_by(self._stop):
            try:
                self._run_all()
            except SystemExit:
                log.info("interrupted: the same command goes on")
                raise
            finally:
                show(self.jobs, top)
        if any(one.outcome == "failed" for one in self.jobs):
            raise SystemExit(1)
        return [[]]

    def _stop(self, number: int, frame: Any) -> None:
        """Jobs in other processes end at a step's boundary before the sweep does; at once when asked again."""
        if not self.stopping:
            self.stopping = True
            self.processes.end(number, [one.folder for one in self.jobs])
        at_once(number, frame)

    def _look_at(self, number: int, name: str, overrides: list[str]) -> Job:
        """The job, its outcome known where it is finished already."""
        cfg = self.compose(overrides)
        with read_write(cfg), read_write(cfg.hydra.runtime), open_dict(cfg):
            HydraConfig.instance().set_config(cfg)
            folder = Path(os.path.abspath(cfg.hydra.sweep.dir), cfg.hydra.sweep.subdir)
            cfg.hydra.runtime.output_dir = str(folder)
            HydraConfig.instance().set_config(cfg)
        one = Job(number, name, overrides, folder)
        if (folder / "results.json").exists():
            with read_write(cfg), open_dict(cfg):
                del cfg["hydra"]
            try:
                finished_results(folder, check_config(cfg))
                one.end("skipped", "finished before")
                log.info("%s — finished before, skipped", one)
            except UserError as error:
                one.end("failed", str(error))
                log.error("%s — %s", one, error)
        return one

    def _run_all(self) -> None:
        while pending := [one for one in self.jobs if not one.outcome]:
            wait = all(one.reason for one in pending)  # all that is left is worked on elsewhere
            if isinstance(self.launcher, BasicLauncher):
                for one in pending:
                    if wait or not one.reason:
                        self._launch([one], wait)
            else:
                tells_each_end = getattr(self.launcher, "tells_each_end", False)
                suspects = [one for one in pending if not tells_each_end and job.killed(one.folder)]
                for one in suspects:
                    self._launch([one], wait)
                self._launch([one for one in pending if one not in suspects and (wait or not one.reason)], wait)

    def _launch(self, jobs: Sequence[Job], wait: bool) -> None:
        assert self.launcher is not None
        if not jobs:
            return
        try:
            if isinstance(self.launcher, BasicLauncher):
                ended: Sequence[JobReturn] = [self._run_here(one, wait) for one in jobs]
            else:
                given = [[*one.overrides, *as_overrides(self._told(one, wait))] for one in jobs]
                with self.processes.remembered(self.launcher):
                    ended = self.launcher.launch(given, jobs[0].number - 1)
        except Exception as error:  # the launcher's: a job's own come back in its JobReturn
            self._after_crash(jobs, error)
            return
        for one, result in zip(jobs, ended, strict=True):
            self._note(one, result)

    def _told(self, one: Job, wait: bool) -> dict[str, Any]:
        """What the job's process must know of the sweep."""
        return {"label": one.name, "wait": wait, "begun": self.begun, "jobs": self.to_run}

    def _run_here(self, one: Job, wait: bool) -> JobReturn:
        """As Hydra's basic launcher, which would compose the whole config anew."""
        assert self.config is not None and self.hydra_context is not None
        cfg = self.compose(one.overrides)
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = one.number - 1
            cfg.hydra.sweeper.update(self._told(one, wait))
        try:
            return run_job(self.task_function, cfg, "hydra.sweep.dir", "hydra.sweep.subdir", self.hydra_context)
        finally:
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def _note(self, one: Job, result: JobReturn) -> None:
        if result.status == JobStatus.COMPLETED:
            one.end("finished")
        elif type(error := result._return_value).__name__ == job.ElsewhereError.__name__:
            one.reason = "another process works on it"
            log.info("%s — another process works on it, looking again at the end", one)
        else:
            one.end("failed", f"{error}".splitlines()[0] if f"{error}" else type(error).__name__)

    def _after_crash(self, jobs: Sequence[Job], error: Exception) -> None:
        """A process was killed, and the launcher has given up on all jobs that it had been given."""
        began = False
        for one in jobs:
            if (one.folder / "results.json").exists():
                one.end("finished")
            elif (path := one.folder / job.ERROR).exists() and path.stat().st_mtime >= self.begun:
                one.end("failed", path.read_text(encoding="utf-8").strip().splitlines()[-1])
            elif job.killed(one.folder):
                began = True
                if len(jobs) == 1:
                    one.end("failed", f"its process was killed ({type(error).__name__}: out of memory?)")
        if not began and not any(one.outcome for one in jobs):
            full = full_disk(error)
            for one in jobs:
                told = message(full, one.folder) if full else f"the launcher failed: {error}".splitlines()[0]
                one.end("failed", told)


def as_overrides(told: dict[str, Any]) -> list[str]:
    """For processes that compose the job's config themselves."""
    plain = ((key, quoted(value) if isinstance(value, str) else value) for key, value in told.items())
    return [f"hydra.sweeper.{key}={value}" for key, value in plain]
