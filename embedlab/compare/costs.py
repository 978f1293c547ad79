"""Advice on quality for its cost, in parameters or seconds of training: the Pareto front, and what it beats."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Group, Pair, Row
from embedlab.compare.verdict import decimals_for, equal_p, format_number, format_seeds
from embedlab.compare.wording import join_words

SAME = {"parameters": 0.01, "train_seconds": 0.05}  # costs closer than this share are equal; times are noisy
WORDS = {"parameters": ("parameters", "no larger"), "train_seconds": ("s of training", "no slower")}


Point = tuple[Row, float]  # a row and its cost


def pareto_front(points: Sequence[Point], higher_is_better: bool, same: float = 0.0) -> list[Point]:
    """Return the (row, cost) that no other one beats in score at the same or a lower cost, from cheap to dear.

    Costs that differ by less than the share `same` count as equal.
    """
    sign = -1 if higher_is_better else 1
    front: list[Point] = []
    for row, cost in sorted(points, key=lambda point: (point[1], sign * point[0].mean.mean)):
        if not front or sign * row.mean.mean < sign * front[-1][0].mean.mean:
            if front and cost <= front[-1][1] * (1 + same):
                front.pop()
            front.append((row, cost))
    return front


def advise_on_cost(comparison: Comparison, group: Group, keys: tuple[str, ...]) -> Iterator[str]:
    """Yield what is best for its cost, and what costs more and is worse beyond chance."""
    points = [(row, cost) for row in group.rows if (cost := row.average(*keys)) is not None and cost > 0]
    if len(points) < 2 or comparison.metric.name.startswith((keys[0], "tokens_per_second")):
        return
    same, (unit, no_dearer) = SAME[keys[0]], WORDS[keys[0]]
    front = pareto_front(points, comparison.metric.higher_is_better, same)
    decimals = decimals_for(group.rows[0].mean.mean)
    pairs = {frozenset((id(pair.a), id(pair.b))): pair for pair in group.pairs}
    shown = [f"{row.label} ({row.mean.mean:,.{decimals}f} for {format_number(cost)} {unit})" for row, cost in front]
    if len(front) == 1:
        seeds = format_seeds(front[0][0].mean.n)
        yield f"{shown[0]}, {seeds}, is the best, and no setting is cheaper by more than {100 * same:.0f} %."
    else:
        steps = [pairs.get(frozenset((id(a), id(b)))) for (a, _), (b, _) in pairwise(front)]
        yield f"The best of those {no_dearer}: {join_words(shown, 6)}." + _unsure(steps)
    yield from _dominated(points, front, pairs, same, unit, decimals)


def _unsure(steps: Sequence[Pair | None]) -> str:
    tested = [pair for pair in steps if pair is not None and pair.p is not None]
    if len(tested) == len(steps) and all(pair.told_apart for pair in tested):
        shown = ", ".join(f"p {equal_p(pair.p)}" for pair in tested)
        return f" Each step is beyond chance ({shown})."
    named = [f"from {pair.b.label} to {pair.a.label} (p {equal_p(pair.p)})" for pair in tested if not pair.told_apart]
    return f" Not beyond chance: the step {join_words(named, 4)}." if named else ""


def _dominated(
    points: Sequence[Point],
    front: Sequence[Point],
    pairs: dict[frozenset[int], Pair],
    same: float,
    unit: str,
    decimals: int,
) -> Iterator[str]:
    found: list[tuple[float, str]] = []
    for row, cost in points:
        cheaper = [one for one in front if one[1] * (1 + same) < cost and one[0] is not row]
        if not cheaper:
            continue
        better, its_cost = cheaper[-1]
        pair = pairs.get(frozenset((id(row), id(better))))
        if pair is not None and pair.told_apart and pair.a is better:
            gap = abs(pair.difference.mean)
            more = f"{100 * (cost / its_cost - 1):.0f} %" if cost < 10 * its_cost else f"{cost / its_cost:.0f} times"
            found.append(
                (
                    gap,
                    f"{row.label} ({more} more than {better.label}, worse by {gap:.{decimals}f}, p {equal_p(pair.p)})",
                )
            )
    if found:
        texts = [text for _, text in sorted(found, key=lambda one: -one[0])]
        yield f"To avoid, because dearer and worse: {join_words(texts, 4)}."
