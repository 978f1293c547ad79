"""Scales and ticks of an axis: linear or logarithmic, by the values that it shows."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator


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
        axes.set_yscale("log")  # over many decades LogLocator labels nothing but powers of ten
        subs = (1, 2, 5) if max(values) / min(values) < 1000 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
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
