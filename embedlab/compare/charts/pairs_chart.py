"""The heat map of all pairs: which settings can be told apart, and by how much."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from embedlab.compare.charts.drawing import Drawing
from embedlab.compare.charts.frame import HEAD, WIDTH, Chart, heading, label
from embedlab.compare.charts.ranking_chart import RANKED
from embedlab.compare.charts.style import AXIS, GRID, HUES
from embedlab.compare.rows import Pair

LEFT, LINE = 1.75, 0.15  # inches for the names, and for one of them
KEY = 0.24  # height of the key below
SHADES = (0.3, 0.5, 0.75, 1.0)  # opacity of a quarter of the pairs told apart, from the smallest differences on
APART, OPEN = HUES[0][0], GRID[0]


def pairs(drawing: Drawing) -> Iterator[Chart]:
    """Draw a square for each pair of the best RANKED settings: empty if open, darker the larger the difference."""
    rows = drawing.group.rows[:RANKED]
    shown = {id(row): i for i, row in enumerate(rows)}
    found = [pair for pair in drawing.group.pairs if id(pair.a) in shown and id(pair.b) in shown]
    tested = sum(pair.p is not None for pair in found)
    if len(rows) < 3 or not tested:
        return
    n = len(rows)
    cell = min((WIDTH - LEFT - 0.2) / n, 0.3)
    width, height = cell * n, max(cell, LINE) * n
    total = HEAD + 0.2 + height + KEY
    figure = Figure(figsize=(WIDTH, total))
    unit = drawing.metric.unit or drawing.metric.name
    apart = sum(pair.told_apart for pair in found)
    title = "Which settings can be told apart?"
    heading(figure, title, f"{apart} of {tested} pairs tested, at 5 % over all pairs")
    axes = figure.add_axes((LEFT / WIDTH, KEY / total, width / WIDTH, height / total))
    sizes = [abs(pair.difference.mean) for pair in found if pair.told_apart]
    ends = [float(end) for end in np.quantile(sizes, [0.25, 0.5, 0.75, 1.0])] if sizes else []
    for pair in found:
        _square(axes, pair, shown[id(pair.a)], shown[id(pair.b)], ends)
    axes.set_xlim(0, n)
    axes.set_ylim(n, 0)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0, labelsize=8, pad=2)
    axes.set_yticks([i + 0.5 for i in range(n)], [label(f"{row.label}  {i}", 26) for i, row in enumerate(rows, 1)])
    every = 1 if cell > 0.15 else 2
    axes.xaxis.tick_top()
    axes.set_xticks([i + 0.5 for i in range(0, n, every)], [str(i + 1) for i in range(0, n, every)])
    if ends:
        _key(figure, total, ends, unit)
    about = (
        "A square compares the row's setting with the better one of that number. Filled: told apart at 5 %, corrected "
        "for all pairs; darker: a larger difference. Pale with a dot: these seeds do not tell the two apart."
    )
    if len(drawing.group.rows) > n:
        about += f" The best {n} of {len(drawing.group.rows)} settings."
    yield drawing.finish("pairs", title, about, figure)


def _square(axes: Axes, pair: Pair, column: int, row: int, ends: Sequence[float]) -> None:
    alpha = next((alpha for alpha, end in zip(SHADES, ends, strict=False) if abs(pair.difference.mean) <= end), 1.0)
    colour = APART if pair.told_apart else OPEN
    inset = 0.06
    axes.add_patch(
        Rectangle(
            (column + inset, row + inset),
            1 - 2 * inset,
            1 - 2 * inset,
            facecolor=colour,
            alpha=alpha if pair.told_apart else 1,
            linewidth=0,
        )
    )
    if not pair.told_apart:
        axes.plot([column + 0.5], [row + 0.5], marker=".", markersize=3, color=AXIS[0])


def _key(figure: Figure, total: float, ends: Sequence[float], unit: str) -> None:
    """Write below what the shades mean: `up to 0.4, 0.9, 1.3, 1.8 bits/byte`."""
    x, size = 0.14, 0.1
    for alpha, end in zip(SHADES, ends, strict=True):
        figure.add_artist(
            Rectangle(
                (x / WIDTH, 0.06 / total),
                size / WIDTH,
                size / total,
                transform=figure.transFigure,
                facecolor=APART,
                alpha=alpha,
                linewidth=0,
            )
        )
        text = f"to {end:.2g}" + (f" {unit}" if end is ends[-1] else "")
        figure.text((x + 0.15) / WIDTH, 0.11 / total, text, fontsize=8, va="center")
        x += 0.78
