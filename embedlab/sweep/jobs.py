"""The jobs of a sweep, and the end of one. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from omegaconf import DictConfig, open_dict

from embedlab.config.errors import UserError
from embedlab.sweep.capacity import Needs


class JobError(Exception):
    """The failure of a job, in one line."""


@dataclass
class Job:
    """One point of the sweep."""

    number: int  # in the sweep, from 0
    name: str  # as `job 3 of 12: position=rotary seed=1`
    overrides: list[str]  # those of the point, and values computed from the job's number and start time
    folder: Path
    needs: Needs
    outcome: str = ""  # finished, skipped or failed; "" until it is known
    reason: str = ""

    def __str__(self) -> str:
        return self.name

    def end(self, outcome: str, reason: str = "") -> None:
        """Set how the job ended."""
        self.outcome, self.reason = outcome, reason


@runtime_checkable
class RunsJobs(Protocol):
    """A launcher of ours, which shows how its jobs are doing; Hydra's interface returns all their ends at once."""

    def run(self, jobs: Sequence[Job], overrides: Sequence[list[str]]) -> list[Exception | None]:
        """Run the jobs with these overrides, and return their errors in the same order, None for a finished job."""


def name_jobs(points: Sequence[Sequence[str]], before: int = 0) -> list[str]:
    """Return a name for each point, as `job 3 of 12: position=rotary seed=1`; shared overrides are excluded.

    `before` is the number of jobs of earlier rounds, which the count continues.
    """
    common = set(points[0]).intersection(*points) if len(points) > 1 else set()
    different = (" ".join(override for override in point if override not in common) for point in points)
    return [f"job {number} of {before + len(points)}: {name}" for number, name in enumerate(different, before + 1)]


def set_number(cfg: DictConfig, number: int) -> None:
    """Set the job's number in the sweep, which its folder may be named by."""
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = number


def refuse_shared_folders(jobs: Sequence[Job]) -> None:
    """Raise UserError if hydra.sweep.subdir gives two jobs the same folder."""
    folders: dict[Path, Job] = {}
    for one in jobs:
        if (other := folders.setdefault(one.folder, one)) is not one:
            raise UserError(
                f"hydra.sweep.subdir gives {other} and {one} one folder, {one.folder}: "
                "add ${hydra:job.num} to it, or leave it out"
            )
