"""Compare each row with its baseline: the row with the baseline's value of the first key and all other keys equal."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import format_value, natural_order
from embedlab.config.errors import UserError


def compare_with_baseline(
    groups: list[Group], metric: Metric, keys: list[str], asked: str | None, averaged: list[str]
) -> None:
    """Set the baseline of each group, and each row's difference from it with p-values corrected by Holm over all rows.

    `averaged` are the settings that rows average over. Raises UserError if no row has the baseline `asked` for.
    """
    contrast = keys[0]
    values = {format_value(row.keys[contrast]) for group in groups for row in group.rows}
    labels = {row.label for group in groups for row in group.rows}
    if asked is not None and asked not in values | labels:
        raise UserError(f"--baseline {asked}: not among {', '.join(sorted(values)[:20])}")
    tested: list[Row] = []
    for group in groups:
        here = sorted({row.keys[contrast] for row in group.rows}, key=natural_order)
        if asked is not None:
            group.baseline = asked
        else:
            group.baseline = "none" if "none" in here else format_value(here[0])
        found = {}
        for row in group.rows:
            if group.baseline in (format_value(row.keys[contrast]), row.label):
                row.is_baseline = True
                found[tuple(row.keys[key] for key in keys[1:])] = row
        single = next((row for row in group.rows if row.label == group.baseline), None)
        for row in group.rows:
            other = single or found.get(tuple(row.keys[key] for key in keys[1:]))
            if row.is_baseline or other is None:
                continue
            row.baseline = other.label
            ours, theirs = _match(row, other, metric, averaged)
            row.difference = statistics.difference(ours, theirs)
            if row.difference is not None and row.difference.method != "welch":
                paired = ours.keys() & theirs.keys() or row.by_seed.keys() | other.by_seed.keys()
                row.unpaired = sorted(row.by_seed.keys() - paired)
                row.unpaired_baseline = sorted(other.by_seed.keys() - paired)
            if row.difference is not None and row.difference.p is not None:
                tested.append(row)
    for row, p in zip(tested, statistics.holm([row.difference.p for row in tested]), strict=True):  # type: ignore
        row.p = p
    undecided = [row for row in tested if not row.decided]
    for row in undecided:
        assert row.difference is not None
        row.more_seeds = statistics.estimate_more_seeds(row.difference, statistics.LEVEL / len(undecided))


def _match(row: Row, other: Row, metric: Metric, averaged: Sequence[str]) -> tuple[dict[int, float], dict[int, float]]:
    """Return {seed: value} of both rows over the cells that both have; a cell is a seed and the settings averaged over.

    If fewer than two seeds share a cell, over the settings that both have, at any seed. Without this, a width that only
    one row was run at would count as a difference.
    """
    ours, theirs = _cells(row, metric, averaged), _cells(other, metric, averaged)
    shared = ours.keys() & theirs.keys()
    if len({seed for seed, _ in shared}) < 2:
        common = {cell for _, cell in ours} & {cell for _, cell in theirs}
        return _mean_per_seed(ours, {key for key in ours if key[1] in common}), _mean_per_seed(
            theirs, {key for key in theirs if key[1] in common}
        )
    return _mean_per_seed(ours, shared), _mean_per_seed(theirs, shared)


Cell = tuple[int, tuple[Any, ...]]  # seed and the values of the settings that a row averages over


def _cells(row: Row, metric: Metric, averaged: Sequence[str]) -> dict[Cell, float]:
    found: dict[Cell, list[float]] = defaultdict(list)
    for run in row.runs:
        value = metric.value(run)
        assert value is not None, "a row keeps only runs with a finite metric"
        found[run.seed, tuple(run.settings.get(key) for key in averaged)].append(value)
    return {cell: sum(values) / len(values) for cell, values in found.items()}


def _mean_per_seed(cells: dict[Cell, float], wanted: set[Cell]) -> dict[int, float]:
    found: dict[int, list[float]] = defaultdict(list)
    for cell in sorted(wanted, key=lambda cell: cell[0]):
        found[cell[0]].append(cells[cell])
    return {seed: sum(values) / len(values) for seed, values in found.items()}
