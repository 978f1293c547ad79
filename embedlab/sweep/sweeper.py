"""Hydra's basic sweeper, extended: it can be rerun, and it reports at the end how each job ended."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from omegaconf import OmegaConf, open_dict, read_write

from embedlab.config.errors import UserError
from embedlab.config.overrides import override
from embedlab.config.paths import absolute_paths, with_values
from embedlab.data.finished import finished_results
from embedlab.positions.check import check_config
from embedlab.runs import folder as run_folder
from embedlab.runs.full_disk import find_full_disk_error, message
from embedlab.runs.ownership import check_folder
from embedlab.runs.record import JOBS_OWN, computed_values
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.sweep.capacity import Needs, choose_n_jobs, estimate_needs
from embedlab.sweep.composing import Composer
from embedlab.sweep.points import expand_points
from embedlab.sweep.processes import Processes
from embedlab.sweep.progress import name_jobs
from embedlab.sweep.summary import show_comparison, show_jobs
from embedlab.sweep.watch import Watch

log = logging.getLogger("embedlab")


class Job:
    """One point of the sweep."""

    def __init__(self, number: int, name: str, overrides: list[str], folder: Path, needs: Needs) -> None:
        self.number = number
        self.name = name
        self.overrides = overrides  # those of the point, and values computed from the job's number and start time
        self.folder = folder
        self.needs = needs
        self.outcome = ""  # finished, skipped or failed; "" until it is known
        self.reason = ""

    def __str__(self) -> str:
        return self.name

    def end(self, outcome: str, reason: str = "") -> None:
        self.outcome, self.reason = outcome, reason


class Sweeper(BasicSweeper):
    """Skips finished jobs, resumes interrupted ones, and continues after failed ones.

    If another command is running a job, the sweep waits for it after all other jobs.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None,
        instead: Mapping[str, Mapping[str, Any]] | None,
        **job_settings: Any,
    ) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)
        self.instead = instead or {}

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None and self.hydra_context is not None
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        top = self.top = Path(os.path.abspath(self.config.hydra.sweep.dir))
        top.mkdir(parents=True, exist_ok=True)
        self.compose = Composer(self.hydra_context.config_loader, self.config)
        points = expand_points(self.compose.parser, self._parse_config(), arguments, self.instead)
        self.jobs = [
            self._prepare(*about) for about in zip(range(1, len(points) + 1), name_jobs(points), points, strict=True)
        ]
        refuse_shared_folders(self.jobs)
        OmegaConf.save(self.config, top / "multirun.yaml")
        self.begun = time.time()
        self.to_run = sum(not one.outcome for one in self.jobs)
        with handle_signals(self._stop):
            try:
                self._run_all()
            except SystemExit:
                log.info("interrupted: the same command resumes it")
                raise
            finally:
                show_jobs(self.jobs, top)
        show_comparison(top)
        if any(one.outcome == "failed" for one in self.jobs):
            raise SystemExit(1)
        return [[]]

    def _stop(self, number: int, frame: Any) -> None:
        """Let running jobs save and exit after their step, then exit; on a second signal exit at once."""
        if isinstance(self.launcher, Processes) and self.launcher.running and not self.launcher.received:
            self.launcher.received = number
        else:
            exit_at_once(number, frame)

    def _prepare(self, number: int, name: str, overrides: list[str]) -> Job:
        """Make the job; its outcome is set if it is finished already or cannot run in its folder."""
        assert self.config is not None
        cfg = self.compose(overrides)
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = number - 1
        HydraConfig.instance().set_config(cfg)
        folder = self.top / run_folder.fit_subdir(str(cfg.hydra.sweep.subdir))
        with read_write(cfg.hydra.runtime), open_dict(cfg):
            cfg.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(cfg)
        own = [override(key, value) for key, value in computed_values(cfg, JOBS_OWN).items()]
        one = Job(number, name, [*overrides, *own], folder, estimate_needs(cfg))
        try:
            check_folder(folder)
        except UserError as error:
            one.end("failed", str(error))
            log.error("%s — %s", one, error)
            return one
        if (folder / "results.json").exists():
            with read_write(cfg), open_dict(cfg):
                del cfg["hydra"]
            try:
                whole = absolute_paths(cfg, Path(self.config.hydra.runtime.cwd))
                finished_results(folder, check_config(with_values(cfg, whole)), run_folder.OTHER_SWEEP)
                one.end("skipped", "finished before")
                log.info("%s — finished before, skipped", one)
            except UserError as error:
                one.end("failed", str(error))
                log.error("%s — %s", one, error)
        if not one.outcome and isinstance(self.launcher, Processes):
            self.launcher.warm_up()
        return one

    def _run_all(self) -> None:
        while pending := [one for one in self.jobs if not one.outcome]:
            wait = all(one.reason for one in pending)  # all remaining jobs are run by other commands
            self._launch([one for one in pending if wait or not one.reason], wait)

    def _launch(self, jobs: Sequence[Job], wait: bool) -> None:
        given = [
            [*one.overrides, *self._folder_overrides(one), *as_overrides(self._job_settings(one, wait))] for one in jobs
        ]
        numbers = [one.number - 1 for one in jobs]
        try:
            if isinstance(self.launcher, Processes):
                folders = [one.folder for one in jobs]
                n_jobs = min(len(jobs), self.launcher.n_jobs or choose_n_jobs([one.needs for one in jobs]))
                with Watch([one.name for one in jobs], folders, n_jobs) as watch:
                    ended: Sequence[JobReturn] = self.launcher.run(given, folders, numbers, n_jobs, watch)
            else:
                assert self.launcher is not None
                ended = self.launcher.launch(given, numbers[0])
        except Exception as error:  # of the launcher; a job's own error is in its JobReturn
            self._after_crash(jobs, error)
            return
        for one, result in zip(jobs, ended, strict=True):
            self._record(one, result)

    def _folder_overrides(self, one: Job) -> list[str]:
        """Return overrides that fix the job's folder, because a launcher computes the job's number and time again."""
        subdir = os.path.relpath(one.folder, self.top)
        return [override("hydra.sweep.dir", str(self.top)), override("hydra.sweep.subdir", subdir)]

    def _job_settings(self, one: Job, wait: bool) -> dict[str, Any]:
        """Return what the job's process must know of the sweep."""
        return {"label": one.name, "wait": wait, "begun": self.begun, "jobs": self.to_run}

    def _record(self, one: Job, result: JobReturn) -> None:
        if result.status == JobStatus.COMPLETED:
            one.end("finished")
        elif type(error := result._return_value).__name__ == run_folder.FolderInUseError.__name__:
            one.reason = "another process works on it"
            log.info("%s — another process works on it, looking again at the end", one)
        else:
            one.end("failed", f"{error}".splitlines()[0] if f"{error}" else type(error).__name__)

    def _after_crash(self, jobs: Sequence[Job], error: Exception) -> None:
        """Set the outcomes of jobs after their launcher, not one of ours, has failed as a whole."""
        full = find_full_disk_error(error)
        for one in jobs:
            if (one.folder / "results.json").exists():
                one.end("finished")
            else:
                one.end(
                    "failed", message(full, one.folder) if full else f"the launcher failed: {error}".splitlines()[0]
                )


def refuse_shared_folders(jobs: Sequence[Job]) -> None:
    """Raise UserError if hydra.sweep.subdir gives two jobs the same folder."""
    folders: dict[Path, Job] = {}
    for one in jobs:
        if (other := folders.setdefault(one.folder, one)) is not one:
            raise UserError(
                f"hydra.sweep.subdir gives {other} and {one} one folder, {one.folder}: "
                "add ${hydra:job.num} to it, or leave it out"
            )


def as_overrides(settings: dict[str, Any]) -> list[str]:
    """Return the settings as overrides, for processes that compose the job's config themselves."""
    return [override(f"hydra.sweeper.{key}", value) for key, value in settings.items()]
