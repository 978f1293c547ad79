"""What a sweep says of itself."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def show(jobs: Sequence[Any], folder: Path) -> None:
    """Every job that failed, with its reason and folder, and the counts."""
    counts = {"finished": 0, "skipped": 0, "failed": 0, "not finished": 0}
    for one in jobs:
        counts[one.outcome or "not finished"] += 1
        if one.outcome == "failed":
            log.error("%s — failed: %s\n    %s", one, one.reason, one.folder)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    log.info("sweep of %d jobs: %s; outputs in %s", len(jobs), told, folder)
