"""The frame of every chart: sizes, text, legend below, PNG and SVG.

Nothing here uses pyplot, which keeps global state.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from embedlab.compare.charts.style import AXIS, GRID, INK, PAPER, Style

WIDTH = 4.4  # inches: at a phone's 340 px, 9 pt stay 9.7 px
PLOT = 2.35  # height of the axes
HEAD, FOOT, KEY = 0.56, 0.46, 0.178  # title and unit; tick labels and x label; one row of the legend
RC: dict[Any, Any] = {
    "font.size": 9,
    "font.family": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "svg.hashsalt": "embedlab",
    "text.parse_math": False,
    "text.color": INK[0],
    "axes.edgecolor": AXIS[0],
    "axes.labelcolor": INK[0],
    "xtick.color": AXIS[0],
    "ytick.color": AXIS[0],
    "xtick.labelcolor": INK[0],
    "ytick.labelcolor": INK[0],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID[0],
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "figure.facecolor": PAPER[0],
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A rendered chart: `name` is the name of its files, `about` its sentence in the report."""

    name: str
    title: str
    about: str
    svg: str
    png: bytes


@contextmanager
def chart_settings() -> Iterator[None]:
    """Set matplotlib up for these charts, and restore its settings afterwards."""
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in scripts that the font lacks
        yield


def frame(title: str, unit: str, x: str, keys: int, columns: int, plot: float = PLOT) -> tuple[Figure, Axes]:
    """Make a figure with title, unit, one axes with its x label, and space for `keys` legend entries below."""
    rows = -(-keys // columns)
    below = FOOT + (rows * KEY + 0.08 if rows else 0)
    figure = Figure(figsize=(WIDTH, HEAD + plot + below))
    height = HEAD + plot + below
    axes = figure.add_axes((0.52 / WIDTH, below / height, (WIDTH - 0.68) / WIDTH, plot / height))
    heading(figure, title, unit)
    axes.set_xlabel(x, labelpad=2)
    return figure, axes


def heading(figure: Figure, title: str, unit: str) -> None:
    """Write the title and, below it, what the y axis measures."""
    height = figure.get_figheight()
    figure.text(0.12 / WIDTH, 1 - 0.2 / height, title, fontsize=10.5, fontweight="bold", va="center")
    figure.text(0.12 / WIDTH, 1 - 0.41 / height, unit, fontsize=8.5, va="center", color=AXIS[0])


def legend(figure: Figure, entries: Sequence[tuple[str, Style]], columns: int) -> None:
    """Write the names below the axes, in the given order."""
    if not entries:
        return
    handles = [Line2D([], [], color=style.colour, linestyle=style.dash, marker=style.marker) for _, style in entries]
    figure.legend(
        handles,
        [label(name) for name, _ in entries],
        loc="lower left",
        bbox_to_anchor=(0.01, 0),
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        handlelength=2.2,
        columnspacing=1.2,
        labelspacing=0.25,
        borderpad=0.3,
        handletextpad=0.5,
    )


def label(name: str, most: int = 30) -> str:
    """Shorten a name to `most` characters; matplotlib hides names with a leading underscore, so put a space before."""
    name = name if len(name) <= most else name[: most - 1] + "…"
    return " " + name if name.startswith("_") else name


def columns_for(names: Sequence[str]) -> int:
    """Return how many legend columns these names fit into."""
    longest = max((len(label(name)) for name in names), default=0)
    return 3 if longest <= 13 else 2 if longest <= 24 else 1


def scale_x(axes: Axes, values: Sequence[float]) -> None:
    """Put ticks at the values themselves, on a log axis where they span 8-fold or more (lengths, widths, rates)."""
    there = sorted(set(values))
    if there and there[0] > 0 and there[-1] / there[0] >= 8:
        axes.set_xscale("log", base=2 if there[-1] / there[0] < 4096 else 10)
        if len(there) <= 8:
            axes.set_xticks(there)
        axes.xaxis.set_minor_locator(NullLocator())
    elif len(there) <= 6:
        axes.set_xticks(there)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(format_tick))


def spread_x(axes: Axes, values: Sequence[float]) -> None:
    """Put round ticks, on a log axis where the values span more than 8-fold (counts, speeds)."""
    if min(values) > 0 and max(values) / min(values) > 8:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if max(values) / min(values) < 200 else (1,), numticks=6)
        )
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(format_tick))


def scale_y(axes: Axes, values: Sequence[float], linear: bool = False) -> None:
    """Use a log axis where one exploding line would flatten all others, unless `linear` (0 has a meaning)."""
    if not linear and values and min(values) > 0 and max(values) / min(values) > 8:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(format_tick))


def format_tick(value: float, _: object = None) -> str:
    """Format a tick: 12000 as 12k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9999:
            return f"{value / size:.4g}{letter}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def finish(name: str, title: str, about: str, figure: Figure) -> Chart:
    """Render SVG and PNG without dates or random ids, so that the same runs give the same bytes."""
    svg, png = io.StringIO(), io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Title": title})
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", dpi=180, metadata={"Software": None, "Title": title})
    return Chart(name, title, about, svg.getvalue(), png.getvalue())
