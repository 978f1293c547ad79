"""Advice for a person who must choose: the best, what ties with it, what to avoid. Each sentence has its evidence."""

from collections.abc import Iterator

from embedlab.compare.comparison import Comparison
from embedlab.compare.costs import advise_on_cost
from embedlab.compare.longer import advise_on_length
from embedlab.compare.rows import Advice, Group, Pair, Row
from embedlab.compare.stability import describe_seeds, find_unstable
from embedlab.compare.verdict import decimals_for, equal_p, format_interval, format_seeds
from embedlab.compare.wording import join_words


def add_advice(comparison: Comparison) -> None:
    """Set the advice of every ranking."""
    for group in comparison.groups:
        group.advice = list(advise(comparison, group))


def advise(comparison: Comparison, group: Group) -> Iterator[Advice]:
    """Yield the advice about one ranking; a topic without data is not mentioned."""
    if len(group.rows) < 2:
        return
    trained = comparison.metric.name.startswith(("test.", "val."))
    yield Advice("At the trained length" if trained else f"By {comparison.metric.name}", _best(comparison, group))
    for sentence in advise_on_length(comparison, group):
        yield Advice("Past the trained length", sentence)
    for sentence in advise_on_cost(comparison, group, ("parameters", "total")):
        yield Advice("Per parameter", sentence)
    for sentence in advise_on_cost(comparison, group, ("train_seconds",)):
        yield Advice("Per second", sentence)
    for sentence in (*_worse(comparison, group), *_unstable(group)):
        yield Advice("To avoid", sentence)


def _best(comparison: Comparison, group: Group) -> str:
    best = group.rows[0]
    unit = f" {comparison.metric.unit}" if comparison.metric.unit else ""
    decimals = decimals_for(best.mean.mean)
    text = f"{best.label} is the best so far ({best.mean.mean:,.{decimals}f}{unit}, {format_seeds(best.mean.n)})"
    pairs = [pair for pair in group.pairs if pair.a is best or pair.b is best]
    tested = [pair for pair in pairs if pair.p is not None]
    if not tested:
        return f"{text}. With these seeds no pair can be tested, so nothing is known of chance: run more seeds."
    apart, ties = [pair for pair in tested if pair.told_apart], [pair for pair in pairs if not pair.told_apart]
    if not ties:
        nearest = min(apart, key=lambda pair: abs(pair.difference.mean))
        which = f"from each of the {len(apart)} others" if len(apart) > 1 else "from the other"
        return f"{text}, and told apart {which}; the nearest is {describe_pair(nearest, best, decimals, unit)}."
    shown = join_words([describe_pair(pair, best, decimals, unit) for pair in ties], 4)
    return f"{text}. These seeds cannot tell it apart from {shown}; {len(apart)} of {len(pairs)} others are worse."


def describe_pair(pair: Pair, best: Row, decimals: int, unit: str) -> str:
    """Return the other row with its distance from the best one: `shaw (0.07 away, 95 % 0.04 to 0.09, p = 0.01)`."""
    other, found = (pair.b if pair.a is best else pair.a), pair.difference
    sign = 1 if found.mean >= 0 else -1
    text = f"{other.label} ({abs(found.mean):,.{decimals}f}{unit} away"
    if found.low is not None and found.high is not None and pair.p is not None:
        low, high = sorted((sign * found.low, sign * found.high))
        text += f", 95 % {format_interval(low, high, decimals)}, p {equal_p(pair.p)}"
    return text + ")"


def _worse(comparison: Comparison, group: Group) -> Iterator[str]:
    higher = comparison.metric.higher_is_better
    worse = [row for row in group.rows if row.decided and row.difference and (row.difference.mean < 0) == higher]
    if not worse:
        return
    gaps = sorted(abs(row.difference.mean) for row in worse if row.difference)
    decimals = decimals_for(group.rows[0].mean.mean)
    by = f"{gaps[0]:,.{decimals}f}" + (f" to {gaps[-1]:,.{decimals}f}" if len(worse) > 1 else "")
    unit = f" {comparison.metric.unit}" if comparison.metric.unit else ""
    bound = equal_p(max(row.p or 0.0 for row in worse)).replace("= ", "≤ " if len(worse) > 1 else "= ")
    seeds = min(row.difference.n for row in worse if row.difference)
    yield (
        f"{join_words([row.label for row in reversed(worse)])} {'are' if len(worse) > 1 else 'is'} worse than "
        f"{group.baseline} by {by}{unit} (p {bound}, {format_seeds(seeds)})."
    )


def _unstable(group: Group) -> Iterator[str]:
    for row in find_unstable(group):
        others = sorted(other.mean.sd for other in group.rows if other is not row and other.mean.sd is not None)
        decimals = decimals_for(row.mean.mean)
        yield (
            f"{row.label} is unstable: {describe_seeds(row, decimals)}. Its standard deviation over seeds is "
            f"{row.mean.sd:.{decimals}f}, that of the others {others[len(others) // 2]:.{decimals}f} (median)."
        )
    lost = [row for row in group.rows if row.without_number]
    for row in lost:
        yield f"{row.label} gave no finite number in {row.without_number} of {_seeds(row)} runs."


def _seeds(row: Row) -> int:
    return row.without_number + len(row.runs)
