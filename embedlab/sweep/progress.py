"""A sweep's progress in words: names of jobs and remaining time."""

import logging
import time
from pathlib import Path

from embedlab.runs.ownership import ERROR

log = logging.getLogger("embedlab")


def name_jobs(points: list[list[str]]) -> list[str]:
    """Return a name for each point, as `job 3 of 12: position=rotary seed=1`; shared overrides are excluded."""
    common = set(points[0]).intersection(*points) if len(points) > 1 else set()
    different = (" ".join(override for override in point if override not in common) for point in points)
    return [f"job {number} of {len(points)}: {name}" for number, name in enumerate(different, 1)]


def time_left(top: Path, begun: float, jobs: int) -> str:
    """Return `, about 12 min left` for a sweep of `jobs` jobs in `top`; "" before the first has ended.

    Estimated from the files in `top`, because jobs may run on machines that do not communicate.
    """
    ends = [path.stat().st_mtime for name in ("results.json", ERROR) for path in top.glob(f"*/{name}")]
    ended = sum(end >= begun for end in ends)
    if not begun or not ended:
        return ""
    return f", about {format_duration((time.time() - begun) / ended * max(0, jobs - ended))} left"


def format_duration(seconds: float) -> str:
    """Return `50 s`, `12 min` or `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
