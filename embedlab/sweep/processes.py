"""`hydra/launcher=processes`: each job in a fresh process, several side by side. Imports no torch.

The operating system isolates jobs from one another: what a job changes in its process, or a kill, affects that job
only.
"""

from collections import deque
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from embedlab.config.errors import UserError
from embedlab.sweep.capacity import choose_n_jobs, estimate_needs, find_gpus, share_gpus, share_of_threads
from embedlab.sweep.child import Child, stop, warm_up
from embedlab.sweep.job_process import Task
from embedlab.sweep.jobs import Job, name_jobs, set_number
from embedlab.sweep.watch import Watch

POLL_SECONDS = 0.2


class Processes(Launcher):
    """Runs each job in a process of its own."""

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs
        self.running: dict[int, Child] = {}  # by the job's index
        self.received = 0  # number of a signal to forward to all jobs; 0 for none
        self.values: dict[int, Any] = {}  # that finished jobs returned, by their number in the sweep

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what jobs need. Raises UserError if n_jobs is not above 0."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config
        if self.n_jobs is not None and (not isinstance(self.n_jobs, int) or self.n_jobs < 1):
            raise UserError(
                f"hydra.launcher.n_jobs={self.n_jobs} runs no job: give a number above 0, as hydra.launcher.n_jobs=2, "
                "or null for as many as cores and memory allow"
            )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs of another sweeper than ours, which reads what they return."""
        points = [[*one] for one in job_overrides]
        named = enumerate(zip(name_jobs(points), points, strict=True), initial_job_idx)
        jobs = [self._make_job(number, name, point) for number, (name, point) in named]
        errors = self.run(jobs, points)
        return [_as_return(error, self.values.get(job.number)) for job, error in zip(jobs, errors, strict=True)]

    def _make_job(self, number: int, name: str, point: list[str]) -> Job:
        """Return another sweeper's job, in the folder that Hydra gives it."""
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, point)
        set_number(cfg, number)
        HydraConfig.instance().set_config(cfg)
        return Job(number, name, point, Path(cfg.hydra.sweep.dir, cfg.hydra.sweep.subdir), estimate_needs(cfg))

    def run(self, jobs: Sequence[Job], overrides: Sequence[list[str]]) -> list[Exception | None]:
        """Run the jobs with these overrides, and return their errors in the same order, None for a finished job."""
        warm_up()
        needs = [job.needs for job in jobs]
        gpus = find_gpus(needs)
        n_jobs = min(len(jobs), self.n_jobs or choose_n_jobs(needs, gpus))
        waiting = deque(range(len(jobs)))
        errors: dict[int, Exception | None] = {}
        with Watch(jobs) as watch:
            while waiting or self.running:
                if self.received:
                    stop(self.running.values(), self.received)
                    raise SystemExit(128 + self.received)
                while waiting and len(self.running) < n_jobs:
                    index = waiting.popleft()
                    slot = min(set(range(n_jobs)) - {child.slot for child in self.running.values()})
                    threads = {"OMP_NUM_THREADS": str(share_of_threads(n_jobs))}
                    environment = threads | share_gpus(gpus, slot, needs[index].gpus)
                    self.running[index] = Child(self._task(jobs[index], overrides[index], environment), slot)
                    watch.started(index)
                self._wait(watch, errors)
                watch.tick()
        return [errors[index] for index in range(len(jobs))]

    def _task(self, job: Job, overrides: list[str], environment: dict[str, str]) -> Task:
        return Task(
            number=job.number,
            overrides=overrides,
            folder=job.folder,
            config=self.config,
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            singletons=Singleton.get_state(),
            environment=environment,
        )

    def _wait(self, watch: Watch, errors: dict[int, Exception | None]) -> None:
        """Wait a moment for messages and ends of jobs; pass them to `watch`, and keep the errors of ended jobs."""
        ends = {child.process.sentinel: index for index, child in self.running.items()}
        ready = connection.wait([*ends, *(child.link for child in self.running.values())], POLL_SECONDS)
        for index, child in self.running.items():
            if child.link in ready and (progress := child.read()) is not None:
                watch.progressed(index, progress)
        for index in [ends[end] for end in ready if isinstance(end, int)]:
            child = self.running[index]
            errors[index] = child.error()
            self.values[child.number] = child.ended.value if child.ended else None
            del self.running[index]
            watch.ended(index, errors[index])


def _as_return(error: Exception | None, value: Any) -> JobReturn:
    result = JobReturn()
    result.status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    result.return_value = value if error is None else error
    return result
