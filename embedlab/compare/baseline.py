"""Compare each row with its baseline: the row with the baseline's value of the first key and all other keys equal."""

from embedlab.compare import statistics
from embedlab.compare.matching import cells_of, match
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
    read = metric.value
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
            row.baseline, row.against = other.label, other
            ours, theirs = match(cells_of(row, read, averaged), cells_of(other, read, averaged), averaged)
            row.difference = statistics.difference(ours, theirs)
            if row.difference is not None and row.difference.method == "paired":
                row.gaps = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
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
