"""Match two rows run by run, so that their difference is over what both were run at."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from embedlab.compare.finished_run import Run
from embedlab.compare.rows import Row

Value = TypeVar("Value", float, np.ndarray)
Cell = tuple[int, tuple[Any, ...]]  # seed and the values of the settings that a row averages over


def cells_of(row: Row, read: Callable[[Run], Value | None], averaged: Sequence[str]) -> dict[Cell, Value]:
    """Return the mean in each cell of what `read` returns of a run; runs for which it is None are excluded."""
    found: dict[Cell, list[Value]] = defaultdict(list)
    for run in row.runs:
        if (value := read(run)) is not None:
            found[run.seed, tuple(run.settings.get(key) for key in averaged)].append(value)
    return {cell: _average(values) for cell, values in found.items()}


def match(
    ours: Mapping[Cell, Value], theirs: Mapping[Cell, Value], averaged: Sequence[str]
) -> tuple[Mapping[int, Value], Mapping[int, Value]]:
    """Return {seed: value} of both rows over the cells that both have; a cell is a seed and the settings averaged over.

    If fewer than two seeds share a cell, over the settings that both have, at any seed. Without this, a width that only
    one row was run at would count as a difference.
    """
    if not averaged:  # a cell is a seed alone: `statistics.difference` pairs by it
        return {seed: value for (seed, _), value in ours.items()}, {seed: value for (seed, _), value in theirs.items()}
    shared = ours.keys() & theirs.keys()
    if len({seed for seed, _ in shared}) < 2:
        common = {cell for _, cell in ours} & {cell for _, cell in theirs}
        return _mean_per_seed(ours, {key for key in ours if key[1] in common}), _mean_per_seed(
            theirs, {key for key in theirs if key[1] in common}
        )
    return _mean_per_seed(ours, shared), _mean_per_seed(theirs, shared)


def _mean_per_seed(cells: Mapping[Cell, Value], wanted: set[Cell]) -> dict[int, Value]:
    found: dict[int, list[Value]] = defaultdict(list)
    for cell in sorted(wanted, key=lambda cell: cell[0]):
        found[cell[0]].append(cells[cell])
    return {seed: _average(values) for seed, values in found.items()}


def _average(values: list[Value]) -> Value:
    total: Any = sum(values)  # mypy does not know that the sum of arrays is one
    average: Value = total / len(values)
    return average
