"""comparison.md: the ranking as a Markdown table."""

from embedlab.compare.comparison import Comparison
from embedlab.compare.row_figures import short_figures
from embedlab.compare.verdict import (
    also_headings,
    cells,
    headings,
)
from embedlab.runs.escaping import markdown as escape

FOOTNOTE = (
    "Means over seeds ± half their 95 % t-interval; Δ paired by seed if runs share seeds, else Welch; p-values "
    "corrected by Holm. Bold: beyond chance at 5 %. Settings that share a letter cannot be told apart (every pair "
    "tested, Holm over all pairs)."
)


def markdown_table(comparison: Comparison) -> str:
    """Return the ranking as a Markdown table, for a paper's draft or an issue."""
    metric = comparison.metric
    lines: list[str] = []
    for group in comparison.groups:
        head = escape(metric.name) + (f" ({metric.unit})" if metric.unit else "")
        lines += [f"**{escape(group.title)}**", ""] if group.title else []
        also = list(map(escape, also_headings(comparison)))
        gap_head = f"Δ from {escape(group.baseline)}"
        columns = [
            *map(escape, headings(comparison)),
            head,
            "letters",
            *also,
            "seeds",
            gap_head,
            "p (Holm)",
            "more seeds",
            "parameters",
            "tokens/s",
        ]
        lines += [f"| {' | '.join(columns)} |", "|---" * len(comparison.by) + "|--:" * (8 + len(also)) + "|"]
        for row in group.rows:
            line = [
                *(f"**{escape(cell)}**" if row.decided else escape(cell) for cell in cells(row)),
                *short_figures(comparison, row, str(row.mean.n)),
            ]
            lines.append(f"| {' | '.join(line)} |")
        lines.append("")
        for advice in group.advice:
            lines += [f"**{advice.topic}**: {escape(advice.sentence)}", ""]
        outside = [f"{escape(row.label)}: {escape(row.outside_pairs)}" for row in group.rows if row.outside_pairs]
        if outside:
            lines += [f"Seeds in the means but not in the pairs: {' — '.join(outside)}.", ""]
    lines.append(FOOTNOTE)
    return "\n".join(lines) + "\n"
