"""The ranking as a table of report.html. Everything that comes from a run passes `escape`."""

from collections.abc import Iterator
from html import escape

from embedlab.compare.charts.style import Style, properties
from embedlab.compare.comparison import Comparison
from embedlab.compare.letters import shorten
from embedlab.compare.row_figures import count_seeds, format_average
from embedlab.compare.rows import Group, Row
from embedlab.compare.verdict import (
    also_cells,
    also_headings,
    cells,
    decimals_for,
    format_interval,
    format_more_seeds,
    format_p,
    format_signed,
    headings,
)

MOST_ROWS = 400  # rows of a table on the page; all are in comparison.csv


def render_ranking(comparison: Comparison, group: Group, styles: dict[str, Style]) -> Iterator[str]:
    """Yield the section with the ranking of one group."""
    columns = (
        *headings(comparison),
        f"mean ({comparison.metric.unit or comparison.metric.name})",
        "95 % interval, seeds",
        "95 %, seeds and text",
        "letters",
        *also_headings(comparison),
        "seeds",
        f"Δ from {group.baseline}",
        "95 % of Δ, seeds",
        "95 % of Δ, seeds and text",
        "p (Holm)",
        "more seeds",
        "parameters",
        "tokens/s",
        "memory",
    )
    yield "<section><h2>Ranking</h2>"
    yield '<div class="card scroll ranking" tabindex="0" role="region" aria-label="Ranking"><table>'
    yield "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in columns) + "</tr></thead><tbody>"
    shades = properties()
    for row in group.rows[:MOST_ROWS]:
        dot = f'<span class="dot" style="background:{shades[styles[row.colour_key].colour]}"></span>'
        first, *rest = cells(row)
        name = f"<b>{escape(first)}</b>" if row.decided else escape(first)
        figures = "".join(f"<td>{escape(cell)}</td>" for cell in (*rest, *_figures(comparison, row)))
        yield f"<tr{' class=base' if row.is_baseline else ''}><td>{dot}{name}</td>{figures}</tr>"
    yield "</tbody></table></div>"
    if len(group.rows) > MOST_ROWS:
        yield f"<p>The best {MOST_ROWS} of {len(group.rows)} rows; all are in comparison.csv.</p>"
    yield (
        "<p>Bold: the difference from the baseline is beyond chance at 5 %, corrected for all comparisons. Settings "
        "that share a letter cannot be told apart: every pair is tested, corrected for all pairs "
        "(pairs.csv has them).</p></section>"
    )


def _figures(comparison: Comparison, row: Row) -> list[str]:
    decimals, gap = decimals_for(row.mean.mean), row.difference
    memory = row.average("peak_memory_bytes")
    return [
        f"{row.mean.mean:,.{decimals}f}",
        format_interval(row.mean.low, row.mean.high, decimals),
        format_both(row.mean_with_text, decimals),
        shorten(row.letters),
        *also_cells(comparison, row),
        count_seeds(row),
        format_signed(gap.mean, decimals) if gap else "–",
        format_interval(gap.low, gap.high, decimals) if gap else "–",
        format_both(row.difference_with_text, decimals),
        format_p(row.p),
        format_more_seeds(row) or "–",
        format_average(row, "parameters", "total"),
        format_average(row, "tokens_per_second"),
        "–" if memory is None else f"{memory / 2**20:,.0f} MiB",
    ]


def format_both(interval: tuple[float, float] | None, decimals: int) -> str:
    """Format an interval over seeds and text; – if there is none."""
    return format_interval(*interval, decimals) if interval else "–"
