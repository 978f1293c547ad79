"""The answer in plain words: what beats what, by how much, and how sure that is."""

from collections.abc import Iterator

from embedlab.compare import statistics
from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Group, Row, shown
from embedlab.compare.varying import show

SHOWN = 24  # sentences a ranking


def signed(value: float, places: int) -> str:
    """With its sign and this many decimals."""
    return f"{value:+,.{places}f}".replace("-", "−")


def plain(value: float, digits: int = 4) -> str:
    """With this many digits that count, thousands set apart."""
    text = f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return text.replace("-", "−")


def interval(low: float | None, high: float | None, places: int) -> str:
    """`2.61 to 2.68` with this many decimals; – without one."""
    if low is None or high is None:
        return "–"
    return f"{low:,.{places}f} to {high:,.{places}f}".replace("-", "−")


def plus_minus(value: float, high: float | None, places: int, sign: bool = False) -> str:
    """`2.513 ± 0.075` with half the interval's width; without one the value alone."""
    text = signed(value, places) if sign else f"{value:,.{places}f}".replace("-", "−")
    return text if high is None else f"{text} ± {high - value:,.{places}f}"


def decimals(like: float) -> int:
    """Decimals that show four digits of numbers of this size."""
    size = abs(like)
    return 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0


def p_value(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def headings(comparison: Comparison) -> list[str]:
    """Names of the columns that make a row: the last part of each key."""
    return [key if key == "position.name" else key.rpartition(".")[2] for key in comparison.by]


def cells(row: Row) -> list[str]:
    """The row's own settings, what marks it behind the first."""
    mark = " (baseline)" if row.is_baseline else ""
    if row.tuned:
        assert row.spread is not None
        mark += f" ({shown(row.tuned)}: best of {len(row.tried)}, the worst {signed(row.spread, 3)})"
    first, *rest = map(show, row.keys.values())
    return [first + mark, *rest]


def more(row: Row) -> str:
    """How many more seeds would decide; "" where that is no question."""
    if row.more_seeds is None:
        return ""
    most = statistics.MOST_SEEDS
    return f"more than {most}" if row.more_seeds > most else f"about {row.more_seeds}"


def verdict(comparison: Comparison, group: Group) -> Iterator[str]:
    """Sentences about one ranking: the best, how all stand to the baseline, then each."""
    metric = comparison.metric
    unit = f" {metric.unit}" if metric.unit else ""
    best = group.rows[0]
    if len(group.rows) == 1:
        yield f"Only one setting ({best.label}): there is nothing to compare it with."
        return
    place = decimals(best.mean.mean)
    word = "highest" if metric.higher_is_better else "lowest"
    yield (
        f"{best.label} has the {word} {metric.name}: {best.mean.mean:,.{place}f}{unit}"
        + (f" (95 % {interval(best.mean.low, best.mean.high, place)})" if best.mean.n > 1 else "")
        + f", {seeds(best.mean.n)}."
    )
    compared = [row for row in group.rows if row.difference is not None]
    if compared:
        yield _summary(compared, group.baseline, metric.higher_is_better)
    for row in compared[:SHOWN]:
        yield _sentence(row, metric.higher_is_better, unit, place)
    if len(compared) > SHOWN:
        rest = compared[SHOWN:]
        sure = sum(row.decided for row in rest)
        yield f"{len(rest)} more settings: {sure} differ from their baseline, {len(rest) - sure} are undecided."


def _summary(rows: list[Row], baseline: str, higher_is_better: bool) -> str:
    sure = [row for row in rows if row.decided]
    better = sum((row.difference.mean > 0) == higher_is_better for row in sure if row.difference)
    counts = f"{better} better, {len(sure) - better} worse, {len(rows) - len(sure)} undecided"
    return f"Against {baseline}, at 5 % over all comparisons: {counts}."


def seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def _sentence(row: Row, higher_is_better: bool, unit: str, place: int) -> str:
    found = row.difference
    assert found is not None
    ours, theirs, where = _sides(row)
    better = (found.mean > 0) == higher_is_better
    verb = "ties with" if found.mean == 0 else "beats" if better else "loses to"
    by = "" if found.mean == 0 else f" by {abs(found.mean):,.{place}f}{unit}"
    if found.p is None and found.n == 1:
        return f"{ours} {verb} {theirs}{where}{by} with one seed: undecided, for one seed gives no measure of chance."
    if found.p is None:
        return f"{ours} {verb} {theirs}{where}{by}, the same at each of {seeds(found.n)}: no spread to test against."
    assert found.low is not None
    assert found.high is not None
    low, high = (found.low, found.high) if found.mean > 0 else (-found.high, -found.low)
    sure = f"95 % {interval(low, high, place)}, p {_equals(row.p)}, {seeds(found.n)}"
    sure += "" if found.method == "paired" else ", unpaired"
    sure += f"; not in pairs: seed {row.outside_pairs}" if row.outside_pairs else ""
    if row.decided:
        return f"{ours} {verb} {theirs}{where}{by} ({sure})."
    lead = "level" if found.mean == 0 else "ahead" if better else "behind"
    hint = f"; {more(row)} more seeds would decide" if more(row) else ""
    return f"{ours} against {theirs}{where}: undecided{hint}. So far it is {lead}{by} ({sure})."


def _sides(row: Row) -> tuple[str, str, str]:
    """The setting, its baseline and what both share: rotary, none, at embedding_dim 64."""
    first, *ours = row.label.split(" · ")
    second, *theirs = row.baseline.split(" · ")
    return (first, second, f" at {', '.join(ours)}") if ours and ours == theirs else (row.label, row.baseline, "")


def _equals(p: float | None) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"
