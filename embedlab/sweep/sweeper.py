"""Hydra's basic sweeper, extended: it can be rerun, and it reports at the end how each job ended."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from embedlab.config.errors import OwnCodeError, UserError
from embedlab.config.overrides import override
from embedlab.config.paths import absolute_paths
from embedlab.config.tree import Config
from embedlab.data.skip_finished import finished_results
from embedlab.runs import folder as run_folder
from embedlab.runs.full_disk import find_full_disk_error, message
from embedlab.runs.ownership import check_folder
from embedlab.runs.record_config import JOBS_OWN, computed_values
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.sweep_plan import write_plan
from embedlab.sweep.capacity import estimate_needs
from embedlab.sweep.child import warm_up
from embedlab.sweep.composing import Composer
from embedlab.sweep.jobs import Job, RunsJobs, name_jobs, refuse_shared_folders, set_number
from embedlab.sweep.points import Point, expand_points
from embedlab.sweep.processes import Processes
from embedlab.sweep.rounds import check_rounds, first_round, next_round
from embedlab.sweep.summary import show_comparison, show_jobs
from embedlab.training.whole_config import check_config

log = logging.getLogger("embedlab")


class Sweeper(BasicSweeper):
    """Skips finished jobs, resumes interrupted ones, and continues after failed ones.

    If another command is running a job, the sweep waits for it after all other jobs.
    """

    def __init__(
        self,
        params: dict[str, str] | None,
        instead: Mapping[str, Mapping[str, Any]] | None,
        until: str | None,
        looks: Sequence[int],
        **job_settings: Any,
    ) -> None:
        super().__init__(max_batch_size=None, params=params)
        self.instead = instead or {}
        self.until = until
        self.looks = tuple(looks)

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None and self.hydra_context is not None
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        top = self.top = Path(os.path.abspath(self.config.hydra.sweep.dir))
        check_rounds(self.until, self.looks, arguments)
        self.compose = Composer(self.hydra_context.config_loader, self.config)
        self.points: list[Point] = []
        self.jobs: list[Job] = []
        points = expand_points(self.compose.parser, self._parse_config(), arguments, self.instead)
        self._add_jobs(first_round(points, self.looks) if self.until else points)
        if self.until:
            write_plan(top, self.looks)
        OmegaConf.save(self.config, top / "multirun.yaml")
        with handle_signals(self._stop):
            try:
                self._run_jobs()
                while self.until and (more := next_round(self.points, self._folders(), top, self.looks)):
                    self._add_jobs(more)
                    self._run_jobs()
            except SystemExit:
                for one in self.jobs:
                    if not one.outcome and (one.folder / "results.json").exists():
                        one.end("finished")
                log.info("interrupted: the same command resumes it")
                raise
            finally:
                show_jobs(self.jobs, top)
        show_comparison(top)
        if any(one.outcome == "failed" for one in self.jobs):
            raise SystemExit(1)
        return [[]]

    def _add_jobs(self, points: Sequence[Point]) -> None:
        """Make the jobs of these points. Raises UserError if two jobs would have one folder."""
        before = len(self.jobs)
        names = name_jobs(points, before)
        for number, (name, point) in enumerate(zip(names, points, strict=True), before):
            self.jobs.append(self._make_job(number, name, point, self.compose(point)))
        self.points += points
        refuse_shared_folders(self.jobs)

    def _folders(self) -> list[Path]:
        return [one.folder for one in self.jobs]

    def _run_jobs(self) -> None:
        """Run all jobs that have not ended."""
        while pending := [one for one in self.jobs if not one.outcome]:
            wait = all(one.reason for one in pending)  # all remaining jobs are run by other commands
            self._launch([one for one in pending if wait or not one.reason], wait)

    def _stop(self, number: int, frame: Any) -> None:
        """Let running jobs save and exit after their step, then exit; on a second signal exit at once."""
        if isinstance(self.launcher, Processes) and self.launcher.running and not self.launcher.received:
            self.launcher.received = number
        else:
            exit_at_once(number, frame)

    def _make_job(self, number: int, name: str, overrides: list[str], cfg: DictConfig) -> Job:
        """Return the job; its outcome is set if it is finished already or cannot run in its folder."""
        set_number(cfg, number)
        HydraConfig.instance().set_config(cfg)
        folder = self.top / run_folder.fit_subdir(str(cfg.hydra.sweep.subdir))
        runtime: Any = HydraConfig.get().runtime
        with read_write(runtime), open_dict(runtime):
            runtime.output_dir = str(folder)
        own = [override(key, value) for key, value in computed_values(cfg, JOBS_OWN).items()]
        one = Job(number, name, [*overrides, *own], folder, estimate_needs(cfg))
        try:
            check_folder(folder)
            config = self._check(cfg)
            if finished_results(folder, config, run_folder.OTHER_SWEEP) is not None:
                one.end("skipped")
                log.info("%s — finished before, skipped", one)
        except OwnCodeError:
            pass  # the job's own process fails the same way, and writes the traceback into error.txt
        except UserError as error:
            one.end("failed", str(error))
            log.error("%s — %s", one, error)
        if not one.outcome and isinstance(self.launcher, Processes):
            warm_up()
        return one

    def _check(self, cfg: DictConfig) -> Config:
        """Return the job's settings, so that a mistake is reported before any job starts. Raises UserError for one."""
        assert self.config is not None
        with read_write(cfg), open_dict(cfg):
            del cfg["hydra"]
        for key, value in absolute_paths(cfg, Path(self.config.hydra.runtime.cwd)).items():
            OmegaConf.update(cfg, key, value, merge=False)
        return check_config(cfg)

    def _launch(self, jobs: Sequence[Job], wait: bool) -> None:
        given = [[*one.overrides, *self._settings(one, wait)] for one in jobs]
        errors: list[Exception | None]
        try:
            if isinstance(self.launcher, RunsJobs):
                errors = self.launcher.run(jobs, given)
            else:
                assert self.launcher is not None
                returns = self.launcher.launch(given, jobs[0].number)
                errors = [None if one.status == JobStatus.COMPLETED else one._return_value for one in returns]
        except Exception as error:  # of the launcher
            self._after_crash(jobs, error)
            return
        for one, failed in zip(jobs, errors, strict=True):
            if failed is None:
                one.end("finished")
            elif isinstance(failed, run_folder.FolderInUseError):
                one.reason = "another process works on it"
                log.info("%s — another process works on it, looking again at the end", one)
            else:
                one.end("failed", f"{failed}".splitlines()[0] if f"{failed}" else type(failed).__name__)

    def _settings(self, one: Job, wait: bool) -> list[str]:
        """Return overrides that fix the job's folder, because a launcher computes the job's number and time again, and
        tell its process its name and whether to wait for the folder.
        """
        subdir = os.path.relpath(one.folder, self.top)
        settings = {"sweep.dir": str(self.top), "sweep.subdir": subdir, "sweeper.label": one.name, "sweeper.wait": wait}
        return [override(f"hydra.{key}", value) for key, value in settings.items()]

    def _after_crash(self, jobs: Sequence[Job], error: Exception) -> None:
        """Set the outcomes of jobs after their launcher has failed as a whole."""
        full = find_full_disk_error(error)
        for one in jobs:
            if (one.folder / "results.json").exists():
                one.end("finished")
            else:
                one.end(
                    "failed", message(full, one.folder) if full else f"the launcher failed: {error}".splitlines()[0]
                )
