"""Compare every two settings of a ranking: which ones can be told apart at all.

A pair is tested as a setting against its baseline is: paired by seed where two seeds or more are shared, otherwise by
Welch's test. p-values are corrected by Holm over all pairs of all rankings, so the probability that any pair is told
apart by chance is at most 5 %.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from embedlab.compare import statistics
from embedlab.compare.letters import assign_letters
from embedlab.compare.matching import cells_of, match
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Pair, Row

MOST_PAIRED = 200  # rows of a ranking whose pairs are tested, the best first: 19,900 pairs take 1 s
MOST_LETTERED = 50  # rows with letters, the best first: more would need more letters than the alphabet has


def compare_pairs(groups: Sequence[Group], metric: Metric, averaged: Sequence[str]) -> None:
    """Set each group's pairs, the better row first; `averaged` as in `compare_with_baseline`.

    Past MOST_PAIRED rows the best are compared. Holm still counts every pair of all rows, because the best were chosen
    by the same scores.
    """
    for group in groups:
        group.pairs = list(difference_of_pairs(group.rows[:MOST_PAIRED], metric, averaged))
    tested = [pair for group in groups for pair in group.pairs if pair.difference.p is not None]
    untested = sum(_count_pairs(len(group.rows)) - _count_pairs(min(len(group.rows), MOST_PAIRED)) for group in groups)
    set_corrected(tested, len(tested) + untested)


def difference_of_pairs(rows: Sequence[Row], metric: Metric, averaged: Sequence[str]) -> Iterator[Pair]:
    """Yield every pair of rows with its difference, not yet corrected."""
    cells = [(row, cells_of(row, metric.value, averaged)) for row in rows]
    for (a, ours), (b, theirs) in combinations(cells, 2):
        if (found := statistics.difference(*match(ours, theirs, averaged))) is not None:
            yield Pair(a, b, found)


def compare_with_best(rows: Sequence[Row], metric: Metric, averaged: Sequence[str]) -> list[Pair]:
    """Return the first of `rows` (in order of rank) against each other one, corrected for all pairs of the rows.

    For all pairs, because the best one was chosen by the same scores.
    """
    best, *others = [(row, cells_of(row, metric.value, averaged)) for row in rows]
    pairs = [
        Pair(best[0], row, found)
        for row, cells in others
        if (found := statistics.difference(*match(best[1], cells, averaged))) is not None
    ]
    set_corrected([pair for pair in pairs if pair.difference.p is not None], _count_pairs(len(rows)))
    return pairs


def set_corrected(tested: Sequence[Pair], comparisons: int) -> None:
    """Set the pairs' p-values, corrected for this many comparisons."""
    raw = [pair.difference.p for pair in tested]
    for pair, p in zip(tested, statistics.holm(raw, comparisons), strict=True):  # type: ignore[arg-type]  # tested
        pair.p = p


def set_letters(group: Group) -> None:
    """Set the letters of the best rows; none if no pair could be tested, or if the alphabet does not suffice."""
    if not any(pair.p is not None for pair in group.pairs):
        return
    rows = group.rows[:MOST_LETTERED]
    place = {id(row): i for i, row in enumerate(rows)}
    lettered = [pair for pair in group.pairs if id(pair.a) in place and id(pair.b) in place]
    apart = [(place[id(pair.a)], place[id(pair.b)]) for pair in lettered if pair.told_apart]
    for row, letters in zip(rows, assign_letters(len(rows), apart) or [""] * len(rows), strict=True):
        row.letters = letters


def _count_pairs(rows: int) -> int:
    return rows * (rows - 1) // 2
