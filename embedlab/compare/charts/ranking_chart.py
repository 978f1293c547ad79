"""The chart of the ranking: every setting's mean with its interval."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from embedlab.compare.charts.clipping import find_limits
from embedlab.compare.charts.drawing import Drawing
from embedlab.compare.charts.frame import HEAD, WIDTH, Chart, heading, label
from embedlab.compare.charts.scales import spread_x
from embedlab.compare.charts.style import AXIS, PAPER
from embedlab.compare.rows import Row

RANKED = 25  # rows of the chart


def ranking(drawing: Drawing) -> Chart:
    """Draw means with their intervals, the best on top."""
    rows = drawing.group.rows[:RANKED]
    names = [label(row.label, 28) for row in rows]
    longest = max(map(len, names))
    left, height = min(0.08 * longest + 0.15, 2.4), 0.21 * len(rows) + 0.15
    figure = Figure(figsize=(WIDTH, HEAD + height + 0.45))
    total = HEAD + height + 0.45
    axes = figure.add_axes((left / WIDTH, 0.45 / total, (WIDTH - left - 0.2) / WIDTH, height / total))
    heading(figure, f"Ranking by {drawing.metric.name}", f"{drawing.better} is better; bar: 95 % interval over seeds")
    axes.set_xlabel(drawing.metric.unit or drawing.metric.name, labelpad=2)
    for y, row in enumerate(rows):
        style = drawing.styles[row.colour_key]
        if row.mean.low is not None and row.mean.high is not None:
            axes.plot([row.mean.low, row.mean.high], [y, y], color=style.colour, linewidth=1.6)
        axes.plot(
            [row.mean.mean],
            [y],
            color=style.colour,
            marker=style.marker,
            markersize=6.5,
            markeredgecolor=PAPER[0],
            markeredgewidth=0.6,
        )
    for row in rows:
        if row.is_baseline and len(drawing.comparison.by) == 1:
            axes.axvline(row.mean.mean, color=AXIS[0], linewidth=0.9, linestyle=(0, (3, 3)), zorder=0.5)
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False)
    axes.grid(True, axis="x")
    left_end, right_end = axis_limits(rows)
    axes.set_xlim(left_end, right_end)
    outside = [(y, row) for y, row in enumerate(rows) if not left_end <= row.mean.mean <= right_end]
    for y, row in outside:
        right = row.mean.mean > right_end
        edge, marker, align = (right_end, ">", "right") if right else (left_end, "<", "left")
        colour = drawing.styles[row.colour_key].colour
        axes.plot([edge], [y], color=colour, marker=marker, markersize=6, clip_on=False, zorder=5)
        text = f"{row.mean.mean:.4g}  " if right else f"  {row.mean.mean:.4g}"
        axes.text(edge, y, text, ha=align, va="center", fontsize=8)
    spread_x(axes, [0, 1])
    about = f"Mean over seeds of {drawing.metric.name}; the bar is its 95 % t-interval."
    if any(
        end < left_end or end > right_end for row in rows for end in (row.mean.low, row.mean.high) if end is not None
    ):
        about += " Bars are cut at the chart's edge."
    if outside:
        about += " A triangle at the edge: the mean is beyond it, and written there."
    if len(drawing.group.rows) > RANKED:
        about += f" The best {RANKED} of {len(drawing.group.rows)} settings."
    return drawing.finish("ranking", f"Ranking by {drawing.metric.name}", about, figure)


def axis_limits(rows: Sequence[Row]) -> tuple[float, float]:
    """Return axis limits that show all means but far-out ones, and of the intervals only so much that means stay apart.

    With two seeds an interval spans 13 standard deviations.
    """
    means = [row.mean.mean for row in rows]
    ends = [end for row in rows for end in (row.mean.low, row.mean.high) if end is not None]
    usual = find_limits(means, means) or (-math.inf, math.inf)
    means = [mean for mean in means if usual[0] <= mean <= usual[1]]
    low, high = min(means), max(means)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    low, high = max(min([low, *ends]), low - spread), min(max([high, *ends]), high + spread)
    return low - 0.06 * spread, high + 0.06 * spread
