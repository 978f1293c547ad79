"""Slurm jobs of a sweep that may be rerun: each is submitted once, and its end is reported. Imports no torch.

hydra-submitit-launcher by itself gives up on all jobs if one is killed, waits for that one forever if the cluster keeps
no accounts, and submits jobs again that are still in the queue.
"""

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import OmegaConf
from submitit import AutoExecutor
from submitit.core.core import Job as SubmittedJob
from submitit.core.utils import DelayedSubmission, JobPaths
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

from embedlab.config.errors import UserError
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.sweep.jobs import Job, JobError
from embedlab.sweep.watch import Watch

log = logging.getLogger("embedlab")

SlurmJobs = list[SubmittedJob[JobReturn]]
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "GONE"}
PATIENCE = 5  # seconds that a shared file system may take to show the result of a job that has ended


class Squeue(SlurmInfoWatcher):
    """A watcher that asks squeue, which every cluster has; submitit's asks sacct, which needs accounts."""

    def update(self) -> None:
        """Read each job's state; GONE for one that Slurm has forgotten, some minutes after its end."""
        command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:  # else Slurm does not answer now: keep the known states
            states = dict(line.split("|") for line in asked.stdout.splitlines())
            known = self._registered | set(states)
            self._info_dict = {job_id: {"State": states.get(job_id, "GONE")} for job_id in known}
        self._last_status_check = time.time()

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        return self.get_state(job_id, mode) in ENDED

    def living(self) -> list[str]:
        """Return the ids of all jobs of this user that have not ended."""
        self.update()
        return [job_id for job_id, info in self._info_dict.items() if info["State"] not in ENDED]


def run(launcher: SlurmLauncher, jobs: Sequence[Job], overrides: Sequence[list[str]]) -> list[Exception | None]:
    """Submit the jobs that no earlier command has submitted, wait for all, and return their errors, None for a finished
    job.

    If the command is stopped, its jobs continue: they may have waited in the queue for hours.
    """
    if shutil.which("squeue") is None:
        raise UserError(
            "hydra/launcher=slurm finds no squeue here: use a cluster's login node, or leave hydra/launcher out"
        )
    squeue = SlurmJob.watcher = Squeue(delay_s=30)
    submitted: SlurmJobs = []
    stopped: list[int] = []
    try:
        # a signal waits meanwhile: between sbatch and the files that its jobs need, it would orphan them
        with handle_signals(lambda number, frame: stopped.append(number)):
            submitted = submit(launcher, jobs, overrides, squeue.living())
        if stopped:
            exit_at_once(stopped[0], None)
        with Watch(jobs) as watch:
            return wait(submitted, watch)
    except SystemExit:
        if left := [job for job in submitted if not job.done(force_check=True)]:
            log.info(
                "%d jobs continue in Slurm: `scancel %s` ends them, the same command waits for them", *describe(left)
            )
        raise


def submit(
    launcher: SlurmLauncher, jobs: Sequence[Job], overrides: Sequence[list[str]], living: list[str]
) -> SlurmJobs:
    """Return a Slurm job for each: that of an earlier command if there is one, else one of a new array."""
    submitted = find_submitted(launcher.params["submitit_folder"], living)
    new = [(job.number, given) for job, given in zip(jobs, overrides, strict=True) if key(given) not in submitted]
    if new:
        # the job's process can import hydra-submitit-launcher's own class, but not ours
        job_launcher = SlurmLauncher(**launcher.params)
        job_launcher.setup(
            hydra_context=launcher.hydra_context, task_function=launcher.task_function, config=launcher.config
        )
        state = Singleton.get_state()
        arguments = [(given, "hydra.sweep.dir", number, f"job_id_for_{number}", state) for number, given in new]
        array = executor(launcher.params).map_array(job_launcher, *zip(*arguments, strict=True))
        submitted |= {key(given): job for (_, given), job in zip(new, array, strict=True)}
    log.info("%d jobs in Slurm, %d of them submitted now: squeue --me", len(jobs), len(new))
    return [submitted[key(given)] for given in overrides]


def executor(params: dict[str, Any]) -> AutoExecutor:
    """Make submitit's executor as hydra-submitit-launcher does."""
    params = dict(params)
    folder, again = params.pop("submitit_folder"), params.pop("max_num_timeout")
    made = AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=again)
    common = OmegaConf.structured(BaseQueueConf).keys()
    made.update_parameters(**{name if name in common else f"slurm_{name}": value for name, value in params.items()})
    return made


def find_submitted(folder: str, living: list[str]) -> dict[tuple[str, ...], SubmittedJob[JobReturn]]:
    """Return this sweep's jobs among the user's `living` ones, by their overrides, which their pickles hold."""
    found: dict[tuple[str, ...], SubmittedJob[JobReturn]] = {}
    for job_id in living:
        paths = JobPaths(folder, job_id=job_id, task_id=0)
        if paths.submitted_pickle.exists() and not paths.result_pickle.exists():
            found[key(DelayedSubmission.load(paths.submitted_pickle).args[0])] = SlurmJob(folder, job_id)
    return found


def key(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that identify a job within its sweep."""
    return tuple(filter_overrides(overrides))


def describe(jobs: SlurmJobs) -> tuple[int, str]:
    """Return how many jobs there are, and their ids in Slurm, each array once."""
    return len(jobs), " ".join(sorted({job.job_id.split("_")[0] for job in jobs}, key=int))


def wait(submitted: SlurmJobs, watch: Watch) -> list[Exception | None]:
    """Wait until each job has written its result or has ended without one, and return their errors."""
    errors: dict[int, Exception | None] = {}
    ended: dict[int, float] = {}
    while len(errors) < len(submitted):
        time.sleep(1)
        now = time.monotonic()
        left = {index: job for index, job in enumerate(submitted) if index not in errors}
        ended = {index: ended.get(index, now) for index, job in left.items() if job.done()}
        for index, job in left.items():
            if index not in watch.running and job.state == "RUNNING":
                watch.started(index)
            if job.paths.result_pickle.exists() or now - ended.get(index, now) >= PATIENCE:
                errors[index] = find_error(job)
                watch.ended(index, errors[index])
        watch.tick()
    return [errors[index] for index in range(len(submitted))]


def find_error(job: SubmittedJob[JobReturn]) -> Exception | None:
    """Return why the ended job has not finished; None if it has."""
    if job.paths.result_pickle.exists():
        outcome, result = job._get_outcome_and_result()
        if outcome == "success":
            return None if result.status == JobStatus.COMPLETED else result._return_value
        reason = str(result).strip().splitlines()[-1]
    else:
        state = job.watcher.get_state(job.job_id, "force")
        reason = {"CANCELLED": "cancelled", "TIMEOUT": "its time was up"}.get(state, "its process was killed")
        reason += f", Slurm job {job.job_id} {state}"
        if errors := [line for line in (job.stderr() or "").splitlines() if "error:" in line]:
            reason += f" ({errors[-1]})"
    return JobError(f"{reason}; log: {job.paths.stderr}")
