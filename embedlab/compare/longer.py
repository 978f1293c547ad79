"""Advice on contexts longer than the trained one: the best there, and what loses on the way."""

from collections.abc import Iterator, Sequence

from embedlab.compare import statistics
from embedlab.compare.charts.mean_curves import find_undefined
from embedlab.compare.comparison import Comparison
from embedlab.compare.finished_run import number
from embedlab.compare.matching import cells_of, match
from embedlab.compare.metrics import Metric
from embedlab.compare.pairs import compare_with_best
from embedlab.compare.rows import Group, Row
from embedlab.compare.verdict import decimals_for, equal_p, format_seeds
from embedlab.compare.wording import join_words


def advise_on_length(comparison: Comparison, group: Group) -> Iterator[str]:
    """Yield the best at the longest length tested, what ties with it, what gets worse and what is not defined there."""
    lengths = find_lengths(group.rows)
    if lengths is None:
        return
    trained, longest = lengths
    metric = Metric(f"extrapolation.{longest}")
    means = [
        (row, statistics.mean(list(values.values())).mean) for row in group.rows if (values := _by_seed(row, metric))
    ]
    means.sort(key=lambda found: found[1])
    if len(means) < 2:
        return
    (best, score), *_ = means
    decimals = decimals_for(score)
    seeds = format_seeds(best.mean.n)
    text = f"{best.label} is the best at {longest} tokens ({score:.{decimals}f} {metric.unit}, {seeds})"
    pairs = compare_with_best([row for row, _ in means], metric, comparison.averaged)
    ties = [pair for pair in pairs if not pair.told_apart]
    if all(pair.p is None for pair in pairs):
        yield f"{text}; with these seeds no difference can be tested."
    elif ties:
        shown = [f"{pair.b.label} (+{abs(pair.difference.mean):.{decimals}f}, p {equal_p(pair.p)})" for pair in ties]
        yield f"{text}. These seeds cannot tell it apart from {join_words(shown, 5)}."
    else:
        nearest = pairs[0]
        by = f"+{abs(nearest.difference.mean):.{decimals}f}, p {equal_p(nearest.p)}"
        yield f"{text}, and told apart from all others there; the nearest is {nearest.b.label} ({by})."
    rows, spared = [row for row, _ in means], {id(best), *(id(pair.b) for pair in ties)}
    yield from _worse(rows, spared, trained, longest, comparison.averaged, decimals)
    scored = {id(row) for row, _ in means}
    if undefined := find_undefined([row for row in group.rows if id(row) not in scored]):
        shown = [f"{name} ({why})" for name, why in undefined.items()]
        yield f"Not defined at {longest} tokens: {join_words(shown, 4)}."


def find_lengths(rows: Sequence[Row]) -> tuple[int, int] | None:
    """Return the trained length and the longest one that two rows or more have a score at; None if none is longer."""
    trained = {number(run.settings.get("data.context_length")) for row in rows for run in row.runs}
    if len(trained) != 1 or (start := trained.pop()) is None:
        return None
    counts: dict[int, set[int]] = {}
    for row in rows:
        for run in row.runs:
            for entry in run.entries("extrapolation"):
                length, value = number(entry.get("context_length")), number(entry.get("bits_per_byte"))
                if length is not None and value is not None and entry.get("defined") is not False:
                    counts.setdefault(int(length), set()).add(id(row))
    longest = max((length for length, found in counts.items() if len(found) > 1), default=0)
    return (int(start), longest) if longest > start and int(start) in counts else None


def _by_seed(row: Row, metric: Metric) -> dict[int, float]:
    return {seed: value for (seed, _), value in cells_of(row, metric.value, ()).items()}


def _worse(
    rows: Sequence[Row], spared: set[int], trained: int, longest: int, averaged: Sequence[str], decimals: int
) -> Iterator[str]:
    """Yield the rows that are worse at the longest length than at their own trained one, Holm over rows.

    Those in `spared`, by id, are the best there and what ties with it: they lose, but are not to be avoided.
    """
    near, far = Metric(f"extrapolation.{trained}"), Metric(f"extrapolation.{longest}")
    rises = []
    for row in rows:
        ours, theirs = match(cells_of(row, far.value, averaged), cells_of(row, near.value, averaged), averaged)
        if (found := statistics.difference(ours, theirs)) is not None and found.p is not None:
            rises.append((row, found))
    corrected = statistics.holm([found.p or 0.0 for _, found in rises])
    lost = [(row, found, p) for (row, found), p in zip(rises, corrected, strict=True) if p < statistics.LEVEL]
    lost = sorted((one for one in lost if one[1].mean > 0), key=lambda one: -one[1].mean)
    for avoided, lead in ((True, "To avoid there, because"), (False, "Also")):
        named = [one for one in lost if (id(one[0]) not in spared) == avoided]
        shown = [f"{row.label} (+{found.mean:.{decimals}f}, p {equal_p(p)})" for row, found, p in named]
        if shown:
            yield f"{lead} worse than at {trained} tokens: {join_words(shown, 5)}."
    if rises and not lost:
        seeds = format_seeds(min(found.n for _, found in rises))
        yield f"No setting is worse at {longest} than at {trained} tokens beyond chance ({len(rises)} tested, {seeds})."
