"""The ranking in the terminal. Text of runs goes in as `Text`, so that rich reads no markup in it."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embedlab.compare.comparison import Comparison
from embedlab.compare.reading import Left
from embedlab.compare.rows import Group
from embedlab.compare.verdict import cells, decimals, headings, more, p_value, plain, plus_minus, verdict

ROWS = 40  # more are in comparison.csv
NOTES = 12
WIDE = 110  # columns of a terminal that bear the following too
WIDE_ONLY = ("parameters", "tokens/s")
PIPED = 160  # columns when nobody sees a terminal


def show(comparison: Comparison, refused: Sequence[str], console: Console) -> None:
    """Ranking, verdict and warnings of every group."""
    for group in comparison.groups:
        console.print(_table(comparison, group, console.width >= WIDE))
        if len(group.rows) > ROWS:
            console.print(Text(f"… and {len(group.rows) - ROWS} more rows in comparison.csv", style="dim"))
        for sentence in list(verdict(comparison, group))[:2]:
            console.print(Padding(Text(sentence), (0, 0, 0, 1)))
        console.print()
    for text in refused:
        console.print(Text(text, style="bold red"))
    for note in comparison.notes[:NOTES]:
        console.print(Text("! ", style="yellow") + Text(note))
    if len(comparison.notes) > NOTES:
        console.print(Text(f"… and {len(comparison.notes) - NOTES} more notes in report.html", style="dim"))


def left_out(left: Sequence[Left], console: Console, most: int = 20) -> None:
    """Names what was not compared."""
    for item in left[:most]:
        console.print(Text(f"left out ({item.kind}): {item.path} {item.reason}", style="red"))
    if len(left) > most:
        console.print(Text(f"… and {len(left) - most} more left out", style="red"))


def _table(comparison: Comparison, group: Group, wide: bool) -> Table:
    metric = comparison.metric
    title = metric.name + (f" ({metric.unit})" if metric.unit else "") + f" · Δ from {group.baseline}"
    title += f" · {group.title}" if group.title else ""
    table = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in headings(comparison):
        table.add_column(Text(name), overflow="fold")
    for name in ("mean ± 95 %", "seeds", "Δ ± 95 %", "p (Holm)", "more seeds", *(WIDE_ONLY if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in group.rows[:ROWS]:
        places, gap = decimals(row.mean.mean), row.difference
        figures = [
            plus_minus(row.mean.mean, row.mean.high, places),
            str(row.mean.n) + (f" (−{row.lost})" if row.lost else ""),
            plus_minus(gap.mean, gap.high, places, sign=True) if gap else "–",
            p_value(row.p),
            more(row) or "–",
            *([_plain(row.average("parameters", "total")), _plain(row.average("tokens_per_second"))] if wide else []),
        ]
        table.add_row(*map(Text, [*cells(row), *figures]), style="bold" if row.decided else None)
    return table


def _plain(value: float | None) -> str:
    return "–" if value is None else plain(value, 3)
