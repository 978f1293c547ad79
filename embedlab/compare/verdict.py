"""Sentences and number formats for the answer: which setting is better, by how much, and how sure that is."""

from collections.abc import Iterator, Sequence

from embedlab.compare import statistics
from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Group, Row, format_trial
from embedlab.compare.varying import format_value
from embedlab.compare.wording import join_words

MOST_SENTENCES = 24  # sentences about single rows in one ranking


def format_signed(value: float, decimals: int) -> str:
    """Format with a sign and this many decimals."""
    return f"{value:+,.{decimals}f}".replace("-", "−")


def format_number(value: float, digits: int = 4) -> str:
    """Format with this many significant digits and thousands separators."""
    text = f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return text.replace("-", "−")


def format_interval(low: float | None, high: float | None, decimals: int) -> str:
    """Format as `2.61 to 2.68` with this many decimals; – if there is no interval."""
    if low is None or high is None:
        return "–"
    return f"{low:,.{decimals}f} to {high:,.{decimals}f}".replace("-", "−")


def format_plus_minus(value: float, high: float | None, decimals: int, sign: bool = False) -> str:
    """Format as `2.513 ± 0.075`, with half the interval's width; the value alone if there is no interval."""
    text = format_signed(value, decimals) if sign else f"{value:,.{decimals}f}".replace("-", "−")
    return text if high is None else f"{text} ± {high - value:,.{decimals}f}"


def also_headings(comparison: Comparison) -> list[str]:
    """Return the headings of the metrics that are shown beside the first: `test.loss (nats/token)`."""
    return [metric.name + (f" ({metric.unit})" if metric.unit else "") for metric in comparison.also]


def also_cells(comparison: Comparison, row: Row) -> list[str]:
    """Return the row's values of these metrics, as `2.513 ± 0.075`."""
    found = [row.also.get(metric.name) for metric in comparison.also]
    return [format_plus_minus(mean.mean, mean.high, decimals_for(mean.mean)) if mean else "–" for mean in found]


def decimals_for(like: float) -> int:
    """Return how many decimals show four digits of numbers of this size."""
    size = abs(like)
    return 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0


def format_p(p: float | None) -> str:
    """Format a p-value; – if there is none."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def headings(comparison: Comparison) -> list[str]:
    """Return the names of the columns that identify a row: the last part of each key."""
    return [key if key == "position.name" else key.rpartition(".")[2] for key in comparison.by]


def cells(row: Row) -> list[str]:
    """Return the row's settings; the first is followed by whether it is the baseline and which trial was chosen."""
    suffix = " (baseline)" if row.is_baseline else ""
    if row.tuned:
        assert row.spread is not None
        suffix += f" ({format_trial(row.tuned)}: best of {len(row.tried)}, the worst {format_signed(row.spread, 3)})"
    first, *rest = map(format_value, row.keys.values())
    return [first + suffix, *rest]


def format_more_seeds(row: Row) -> str:
    """Format how many more seeds would decide; "" if the row is decided or was not tested."""
    if row.more_seeds is None:
        return ""
    most = statistics.MOST_SEEDS
    return f"more than {most}" if row.more_seeds > most else f"about {row.more_seeds}"


def verdict(comparison: Comparison, group: Group) -> Iterator[str]:
    """Yield sentences about one ranking: the best, how many differ from the baseline, then each row."""
    metric = comparison.metric
    unit = f" {metric.unit}" if metric.unit else ""
    best = group.rows[0]
    if len(group.rows) == 1:
        yield f"Only one setting ({best.label}): there is nothing to compare it with."
        return
    decimals = decimals_for(best.mean.mean)
    word = "highest" if metric.higher_is_better else "lowest"
    yield (
        f"{best.label} has the {word} {metric.name}: {best.mean.mean:,.{decimals}f}{unit}"
        + _sure_by(best, decimals)
        + f", {format_seeds(best.mean.n)}."
    )
    compared = [row for row in group.rows if row.difference is not None]
    if compared:
        looks = f" {_looks(comparison.looks, compared)}" if comparison.looks else ""
        yield _summary(compared, group, metric.higher_is_better) + looks
    for row in compared[:MOST_SENTENCES]:
        yield _sentence(row, metric.higher_is_better, unit, decimals)
    if len(compared) > MOST_SENTENCES:
        rest = compared[MOST_SENTENCES:]
        sure = sum(row.decided for row in rest)
        yield f"{len(rest)} more settings: {sure} differ from their baseline, {len(rest) - sure} are undecided."


def _sure_by(row: Row, decimals: int) -> str:
    """Return ` (95 % 2.70 to 2.80; with other text of the kind 2.65 to 2.85)`; "" for one seed."""
    if row.mean.n < 2:
        return ""
    text = f" (95 % {format_interval(row.mean.low, row.mean.high, decimals)}"
    if row.mean_with_text:
        text += f"; with other text of the kind {format_interval(*row.mean_with_text, decimals)}"
    return text + ")"


def _summary(rows: list[Row], group: Group, higher_is_better: bool) -> str:
    sure = [row for row in rows if row.decided]
    better = sum((row.difference.mean > 0) == higher_is_better for row in sure if row.difference)
    counts = f"{better} better, {len(sure) - better} worse, {len(rows) - len(sure)} undecided"
    summary = f"Against {group.baseline}, at 5 % over all comparisons: {counts}."
    if tested := [pair for pair in group.pairs if pair.p is not None]:
        apart = sum(pair.told_apart for pair in tested)
        summary += f" Of all {len(tested)} pairs, at 5 % over all pairs, {apart} are told apart."
    return summary


def _looks(looks: Sequence[int], rows: list[Row]) -> str:
    """Return which settings were decided at which look, and what as many seeds for all would have taken."""
    seen = [seeds for seeds in looks if seeds <= max((row.looked_at or 0 for row in rows), default=0)]
    decided = [
        f"{join_words(names)} at {seeds} seeds"
        for seeds in looks
        if (names := [row.label for row in rows if row.decided and row.looked_at == seeds])
    ]
    still_open = "nothing is decided by them" if seen == list(looks) else "nothing is decided yet"
    used, most = sum(row.mean.n for row in rows), looks[-1] * len(rows)
    shown = join_words([str(n) for n in looks])
    return (
        f"The sweep looks at {shown} seeds, and every p-value is corrected for all looks: "
        f"{'decided ' + join_words(decided) if decided else still_open}. {used} runs besides the baseline's, "
        f"{most - used} fewer than {looks[-1]} seeds for each."
    )


def format_seeds(n: int) -> str:
    """Format a count of seeds."""
    return "1 seed" if n == 1 else f"{n} seeds"


def _sentence(row: Row, higher_is_better: bool, unit: str, decimals: int) -> str:
    found = row.difference
    assert found is not None
    ours, theirs, shared = _sides(row)
    better = (found.mean > 0) == higher_is_better
    verb = "ties with" if found.mean == 0 else "beats" if better else "loses to"
    by = "" if found.mean == 0 else f" by {abs(found.mean):,.{decimals}f}{unit}"
    if found.p is None and found.n == 1:
        return f"{ours} {verb} {theirs}{shared}{by} with one seed: undecided, because one seed shows no spread."
    if found.p is None:
        count = format_seeds(found.n)
        return f"{ours} {verb} {theirs}{shared}{by}, the same at each of {count}: no spread to test against."
    assert found.low is not None
    assert found.high is not None
    low, high = (found.low, found.high) if found.mean > 0 else (-found.high, -found.low)
    sure = f"95 % {format_interval(low, high, decimals)}, p {equal_p(row.p)}, {format_seeds(found.n)}"
    sure += "" if found.method == "paired" else ", unpaired"
    sure += f"; not in pairs: seed {row.outside_pairs}" if row.outside_pairs else ""
    if row.decided:
        at = f", decided at {row.looked_at} seeds" if row.looked_at else ""
        return f"{ours} {verb} {theirs}{shared}{by} ({sure}{at})."
    lead = "level" if found.mean == 0 else "ahead" if better else "behind"
    hint = f"; {format_more_seeds(row)} more seeds would decide" if format_more_seeds(row) else ""
    return f"{ours} against {theirs}{shared}: undecided{hint}. So far it is {lead}{by} ({sure})."


def _sides(row: Row) -> tuple[str, str, str]:
    """Return the setting, its baseline and what both share: `rotary`, `none`, ` at embedding_dim 64`."""
    first, *ours = row.label.split(" · ")
    second, *theirs = row.baseline.split(" · ")
    return (first, second, f" at {', '.join(ours)}") if ours and ours == theirs else (row.label, row.baseline, "")


def equal_p(p: float | None) -> str:
    """Format a p-value with its sign: `= 0.013`, `< 0.001`."""
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"
