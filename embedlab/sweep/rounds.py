"""`hydra.sweeper.until=decided`: add seeds, round by round, to the settings that are not decided yet.

The first round gives every setting the seeds 1, 2, 3. After each round the finished jobs are compared with their
baseline; each setting that is still open, and the baseline that it is compared with, get the seeds of the next look.
Everything follows from the results in the folder, so a rerun of the command repeats the decisions and continues.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from embedlab.config.errors import UserError
from embedlab.sweep.points import Point

log = logging.getLogger("embedlab")
SEED = "seed="
UNTIL = "decided"


def check_rounds(until: str | None, looks: Sequence[int], arguments: Sequence[str]) -> None:
    """Raise UserError unless `until` and `looks` are a plan that leaves the seeds to the sweep."""
    if until not in (None, UNTIL):
        raise UserError(f"hydra.sweeper.until={until} does not exist: give {UNTIL}, or null for seeds of your own")
    if until and (given := next((one for one in arguments if one.startswith(SEED)), None)):
        raise UserError(f"{given} with hydra.sweeper.until={until}, which chooses the seeds: leave out one of the two")
    whole = all(type(n) is int and n >= 2 for n in looks)
    if not looks or not whole or list(looks) != sorted(set(looks)):
        shown = ",".join(map(str, looks))
        raise UserError(f"hydra.sweeper.looks=[{shown}] are not growing numbers of seeds from 2: give [3,5,8,12]")


def first_round(points: Iterable[Point], looks: Sequence[int]) -> list[Point]:
    """Return each point at each seed of the first look; seeds that an experiment names are replaced."""
    bare = dict.fromkeys(tuple(_without_seed(point)) for point in points)
    return [[*point, f"{SEED}{seed}"] for seed in range(1, looks[0] + 1) for point in bare]


def next_round(points: Sequence[Point], folders: Sequence[Path], top: Path, looks: Sequence[int]) -> list[Point]:
    """Return the points of the next round, after all jobs of the given points have ended in their folders below `top`.

    An empty list means that every setting is decided, has had its last look, or has a job that failed. Jobs that an
    earlier command ran are returned too, so that the sweep counts and checks them.
    """
    wanted = _seeds_wanted(top, looks)
    seeds: dict[tuple[str, ...], int] = {}
    for point, folder in zip(points, folders, strict=True):
        bare = tuple(_without_seed(point))
        seeds[bare] = max(seeds.get(bare, 0), wanted(folder))
    known = {tuple(point) for point in points}
    new = [
        [*bare, f"{SEED}{seed}"]
        for seed in range(1, looks[-1] + 1)
        for bare, most in seeds.items()
        if seed <= most and (*bare, f"{SEED}{seed}") not in known
    ]
    if new:
        settings = {tuple(_without_seed(point)) for point in new}
        log.info("until=%s: %d more jobs, with more seeds for %d settings", UNTIL, len(new), len(settings))
    return new


def _without_seed(point: Sequence[str]) -> Point:
    return [override for override in point if not override.startswith(SEED)]


def _seeds_wanted(top: Path, looks: Sequence[int]) -> Callable[[Path], int]:
    """Return a function of a job's folder: how many seeds its setting must have; 0 if that is not known."""
    from embedlab.compare import reading  # scipy: a fifth of a second for every command
    from embedlab.compare.comparison import compare
    from embedlab.compare.sequential import next_look

    wanted: dict[str, int] = {}
    runs, excluded = reading.read([str(top)])
    try:
        rows = compare(runs, excluded).rows if runs else []
    except UserError as error:  # what was swept cannot be ranked
        log.info("until=%s: no ranking, so no more seeds: %s", UNTIL, error)
        rows = []
    for row in rows:
        if row.against is None:
            continue
        seeds = next_look(row.looked_at or 0, row.decided, looks)
        for one in (row, row.against):
            for run in (*one.runs, *(run for tried in one.tried.values() for run in tried)):
                wanted[run.path] = max(wanted.get(run.path, 0), seeds)
    return lambda folder: wanted.get(str(folder), 0)
