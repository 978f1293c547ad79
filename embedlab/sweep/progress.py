"""What a sweep says of itself."""

import logging
import time
from pathlib import Path

from embedlab.runs.ownership import ERROR

log = logging.getLogger("embedlab")


def names(points: list[list[str]]) -> list[str]:
    """`job 3 of 12: position=rotary seed=1` for each: what all have in common is not told."""
    common = set(points[0]).intersection(*points) if len(points) > 1 else set()
    told = (" ".join(override for override in point if override not in common) for point in points)
    return [f"job {number} of {len(points)}: {name}" for number, name in enumerate(told, 1)]


def time_left(top: Path, begun: float, jobs: int) -> str:
    """`, about 12 min left` of a sweep that began `jobs` jobs below `top`; "" before the first has ended.

    By what lies there, since jobs may run in processes and on machines that know nothing of each other.
    """
    ends = [path.stat().st_mtime for name in ("results.json", ERROR) for path in top.glob(f"*/{name}")]
    ended = sum(end >= begun for end in ends)
    if not begun or not ended:
        return ""
    return f", about {spoken((time.time() - begun) / ended * max(0, jobs - ended))} left"


def spoken(seconds: float) -> str:
    """`50 s`, `12 min`, `3.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
