"""Limits of an axis that one exploding line does not rule; what is cut off gets a mark at the edge and is named."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from embedlab.compare.charts.frame import tag
from embedlab.compare.charts.scales import scale_y

FAR_OUT = 3.0  # Tukey (1977), "Exploratory Data Analysis": values past the quartile by 3 quartile distances are far out
LEAST = 5  # fewer lines have no usual range
GAIN = 2.0  # nothing is cut if the axis would not become half as long or less
MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line or point on the axes."""

    name: str
    colour: str
    series: int
    x: Sequence[float]
    y: Sequence[float]


def clip_y(axes: Axes, lines: Sequence[Drawn]) -> str:
    """Cut the y axis to the usual range, mark each line that leaves it, and return a sentence that names these."""
    log = axes.get_yscale() == "log"
    limits = find_limits([min(line.y) for line in lines], [max(line.y) for line in lines], log)
    if limits is None:
        return ""
    low, high = limits
    if log:  # perhaps only because of what is now cut
        axes.set_yscale("linear")
        scale_y(axes, limits)
    axes.set_ylim(low, high)
    cut = []
    for line in lines:
        for x, y in zip(line.x, line.y, strict=True):
            if y > high or y < low:
                edge, marker = (high, "^") if y > high else (low, "v")
                (mark,) = axes.plot([x], [edge], color=line.colour, marker=marker, clip_on=False, zorder=5)
                tag(mark, line.series, axes)
                break  # one mark a line, where it leaves first
        if max(line.y) > high:
            cut.append(f"{line.name} (up to {max(line.y):.4g})")
        elif min(line.y) < low:
            cut.append(f"{line.name} (down to {min(line.y):.2g})")
    shown = ", ".join(cut[:6]) + (f" and {len(cut) - 6} more" if len(cut) > 6 else "")
    return f" Cut off at the edge, where a triangle is: {shown}."


def find_limits(lows: Sequence[float], highs: Sequence[float], log: bool = False) -> tuple[float, float] | None:
    """Return limits without the lines that are far out; None if all fit.

    lows, highs: the lowest and highest value of each line. On a log axis the logarithms are compared.

    >>> find_limits([2, 2, 2, 2, 2, 2], [3, 3.1, 3.2, 3.3, 3.4, 90])
    (1.93, 3.47)
    """
    if len(lows) < LEAST or (log and min(lows) <= 0):
        return None
    bottoms, tops = (np.log(values) if log else np.asarray(values, float) for values in (lows, highs))
    low = min(bottoms[bottoms >= -_fence(-bottoms)])
    high = max(tops[tops <= _fence(tops)])
    if not low < high or max(tops) - min(bottoms) < GAIN * (high - low):
        return None
    space = MARGIN * (high - low)
    ends = float(low - space), float(high + space)
    return (math.exp(ends[0]), math.exp(ends[1])) if log else (round(ends[0], 12), round(ends[1], 12))


def _fence(values: np.ndarray) -> float:
    first, third = np.quantile(values, (0.25, 0.75))
    return float(third + FAR_OUT * (third - first))
