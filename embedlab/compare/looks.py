"""Correct the p-values of a sweep that stopped when it knew: it looked several times at growing numbers of seeds."""

from collections.abc import Sequence
from pathlib import Path

from embedlab.compare.finished_run import Run
from embedlab.compare.rows import Group
from embedlab.compare.sequential import decide
from embedlab.runs.sweep_plan import find_looks


def planned_looks(runs: Sequence[Run]) -> tuple[int, ...]:
    """Return the looks of the sweep that all runs belong to; () if they belong to several, or to one without a plan."""
    plans = _plans(runs)
    return plans.pop() if len(plans) == 1 else ()


def find_mixed_plans(runs: Sequence[Run]) -> list[str]:
    """Return a note if some runs are of a sweep that stopped when it knew and others are not."""
    if len(_plans(runs)) < 2:
        return []
    return [
        "some runs are of a sweep with until=decided and others are not: p-values are not corrected for its looks, so "
        "compare that sweep alone"
    ]


def _plans(runs: Sequence[Run]) -> set[tuple[int, ...]]:
    """Return the looks of the runs' sweeps; the folder above many runs is read once."""
    return {find_looks(folder) for folder in {Path(run.path).parent for run in runs}}


def correct_for_looks(groups: Sequence[Group], looks: Sequence[int]) -> None:
    """Set each row's p to the one at its last look, corrected for looks and settings; pairs' p for looks by Bonferroni.

    A pair has as many seeds as the setting that stopped first, so its test was made at one of the looks.
    """
    rows = {str(number): row for number, row in enumerate(row for group in groups for row in group.rows if row.gaps)}
    for name, decision in decide({name: row.gaps for name, row in rows.items()}, looks).items():
        row = rows[name]
        row.p, row.looked_at, row.more_seeds = decision.p, decision.seeds or None, None
    for pair in (pair for group in groups for pair in group.pairs):
        pair.p = None if pair.p is None else min(1.0, len(looks) * pair.p)
