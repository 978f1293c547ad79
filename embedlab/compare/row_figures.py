"""The figures of a row as texts, for the tables of terminal, Markdown and report."""

from embedlab.compare.comparison import Comparison
from embedlab.compare.letters import shorten
from embedlab.compare.rows import Row
from embedlab.compare.verdict import (
    also_cells,
    decimals_for,
    format_more_seeds,
    format_number,
    format_p,
    format_plus_minus,
)


def short_figures(comparison: Comparison, row: Row, seeds: str) -> list[str]:
    """Return mean, letters, other metrics, `seeds`, difference, p, more seeds, parameters and tokens/s."""
    decimals, gap = decimals_for(row.mean.mean), row.difference
    return [
        format_plus_minus(row.mean.mean, row.mean.high, decimals),
        shorten(row.letters),
        *also_cells(comparison, row),
        seeds,
        format_plus_minus(gap.mean, gap.high, decimals, sign=True) if gap else "–",
        format_p(row.p),
        format_more_seeds(row) or "–",
        format_average(row, "parameters", "total"),
        format_average(row, "tokens_per_second"),
    ]


def count_seeds(row: Row) -> str:
    """Return `5`, or `5 (−1)` if a run has no finite number."""
    return str(row.mean.n) + (f" (−{row.without_number})" if row.without_number else "")


def format_average(row: Row, *keys: str) -> str:
    """Format the mean over the runs of a number of results.json; – if no run has it."""
    value = row.average(*keys)
    return "–" if value is None else format_number(value, 3)
