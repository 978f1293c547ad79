"""The ranking in the terminal. Text from runs is passed as `Text`, so that rich reads no markup in it."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embedlab.compare.comparison import Comparison
from embedlab.compare.reading import Excluded
from embedlab.compare.row_figures import count_seeds, short_figures
from embedlab.compare.rows import Group
from embedlab.compare.verdict import (
    also_headings,
    cells,
    headings,
    verdict,
)

ROWS = 40  # more are in comparison.csv
NOTES = 12
DROPPED = ("tokens/s", "parameters", "more seeds")  # in this order, from a table that is wider than the terminal
WIDEST = 10_000  # columns; for measuring a table without a limit
PIPED = 160  # columns if the output is not a terminal


def show(comparison: Comparison, refused: Sequence[str], console: Console) -> None:
    """Print ranking, verdict and notes of every group."""
    for group in comparison.groups:
        console.print(_fitting_table(comparison, group, console))
        if len(group.rows) > ROWS:
            console.print(Text(f"… and {len(group.rows) - ROWS} more rows in comparison.csv", style="dim"))
        for sentence in list(verdict(comparison, group))[:2]:
            console.print(Padding(Text(sentence), (0, 0, 0, 1), expand=False))
        for advice in group.advice:
            line = Text(f"{advice.topic}: ", style="bold") + Text(advice.sentence)
            console.print(Padding(line, (0, 0, 0, 1), expand=False))
        console.print()
    for text in refused:
        console.print(Text(text, style="bold red"))
    for note in comparison.notes[:NOTES]:
        console.print(Text("! ", style="yellow") + Text(note))
    if len(comparison.notes) > NOTES:
        console.print(Text(f"… and {len(comparison.notes) - NOTES} more notes in report.html", style="dim"))


def show_excluded(excluded: Sequence[Excluded], console: Console, most: int = 20) -> None:
    """Print what was not compared, and why."""
    for item in excluded[:most]:
        console.print(Text(f"excluded ({item.kind}): {item.path} {item.reason}", style="red"))
    if len(excluded) > most:
        console.print(Text(f"… and {len(excluded) - most} more excluded", style="red"))


def _fitting_table(comparison: Comparison, group: Group, console: Console) -> Table:
    """Return the table with as many columns as the console is wide enough for; the setting's name is never cut."""
    also = [name for name in reversed(also_headings(comparison)) if name]
    optional = [*DROPPED, "letters", *also]
    for dropped in range(len(optional)):
        table = _table(comparison, group, optional[:dropped])
        if console.measure(table, options=console.options.update(width=WIDEST)).maximum <= console.width:
            return table
    return _table(comparison, group, optional)


def _table(comparison: Comparison, group: Group, dropped: Sequence[str]) -> Table:
    metric = comparison.metric
    title = metric.name + (f" ({metric.unit})" if metric.unit else "") + f" · Δ from {group.baseline}"
    title += f" · {group.title}" if group.title else ""
    table = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for name in headings(comparison):
        table.add_column(Text(name), overflow="fold")
    also = also_headings(comparison)
    names = ("mean ± 95 %", "letters", *also, "seeds", "Δ ± 95 %", "p (Holm)", *reversed(DROPPED))
    for name in names:
        if name not in dropped:
            table.add_column(name, justify="right", no_wrap=True)
    for row in group.rows[:ROWS]:
        figures = short_figures(comparison, row, count_seeds(row))
        shown = [figure for name, figure in zip(names, figures, strict=True) if name not in dropped]
        table.add_row(*map(Text, [*cells(row), *shown]), style="bold" if row.decided else None)
    return table
