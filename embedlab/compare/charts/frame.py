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
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
class Entry:
    """A line of a legend; `series` is the number of its scheme, which marks all its parts in the SVG."""

    name: str
    style: Style
    series: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A rendered chart: `name` is the name of its files, `about` its sentence in the report.

    `entries` are its series, those too that its drawn legend (the lowest `legend_inches`) has no space for.
    """

    name: str
    title: str
    about: str
    svg: str
    png: bytes
    entries: tuple[Entry, ...] = ()
    legend_inches: float = 0.0


@contextmanager
def chart_settings() -> Iterator[None]:
    """Set matplotlib up for these charts, and restore its settings afterwards."""
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in scripts that the font lacks
        yield


def frame(title: str, unit: str, x: str, entries: Sequence[Entry], plot: float = PLOT) -> tuple[Figure, Axes]:
    """Make a figure with title, unit, one axes with its x label, and space for the legend below."""
    below = FOOT + legend_inches(entries)
    figure = Figure(figsize=(WIDTH, HEAD + plot + below))
    height = HEAD + plot + below
    axes = figure.add_axes((0.52 / WIDTH, below / height, (WIDTH - 0.68) / WIDTH, plot / height))
    heading(figure, title, unit)
    axes.set_xlabel(x, labelpad=2)
    return figure, axes


def legend_inches(entries: Sequence[Entry]) -> float:
    """Return the height of the legend, which has the entries with a colour."""
    named = [entry.name for entry in entries if entry.style.named]
    return -(-len(named) // columns_for(named)) * KEY + 0.08 if named else 0.0


def tag(artist: Artist, series: int, axes: Axes) -> None:
    """Mark a part of a series, so that the report can isolate it."""
    artist.set_gid(f"series-{series}-{len(axes.get_children())}")


def heading(figure: Figure, title: str, unit: str) -> None:
    """Write the title and, below it, what the y axis measures."""
    height = figure.get_figheight()
    figure.text(0.12 / WIDTH, 1 - 0.2 / height, title, fontsize=10.5, fontweight="bold", va="center")
    figure.text(0.12 / WIDTH, 1 - 0.41 / height, unit, fontsize=8.5, va="center", color=AXIS[0])


def legend(figure: Figure, entries: Sequence[Entry]) -> None:
    """Write the names of the coloured series below the axes, in the given order."""
    named = [entry for entry in entries if entry.style.named]
    if not named:
        return
    styles = [entry.style for entry in named]
    handles = [Line2D([], [], color=style.colour, linestyle=style.dash, marker=style.marker) for style in styles]
    figure.legend(
        handles,
        [label(entry.name) for entry in named],
        loc="lower left",
        bbox_to_anchor=(0.01, 0),
        ncols=columns_for([entry.name for entry in named]),
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


def finish(name: str, title: str, about: str, figure: Figure, entries: Sequence[Entry] = ()) -> Chart:
    """Render SVG and PNG without dates or random ids, so that the same runs give the same bytes."""
    svg, png = io.StringIO(), io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Title": title})
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", dpi=180, metadata={"Software": None, "Title": title})
    return Chart(name, title, about, svg.getvalue(), png.getvalue(), tuple(entries), legend_inches(entries))
