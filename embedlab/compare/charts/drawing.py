"""What all charts of one ranking share: which schemes are drawn, in which style and under which name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from embedlab.compare.charts import mean_curves
from embedlab.compare.charts.clipping import Drawn
from embedlab.compare.charts.frame import Chart, Entry, finish, tag
from embedlab.compare.charts.style import Style
from embedlab.compare.comparison import Comparison
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import format_value

GREYS = 24  # unnamed lines in one chart
RANGE = "Bands span the seeds from lowest to highest."


@dataclass(frozen=True, slots=True)
class Drawing:
    """One group to draw; `prefix` keeps the chart files of several groups apart."""

    comparison: Comparison
    group: Group
    styles: dict[str, Style]
    prefix: str = ""

    @property
    def metric(self) -> Metric:
        """What the comparison ranks by."""
        return self.comparison.metric

    @property
    def unit(self) -> str:
        """The unit of the curves."""
        return mean_curves.unit(self.metric)

    @property
    def best(self) -> list[Row]:
        """The best row of every scheme."""
        return mean_curves.best_rows(self.group)

    @property
    def drawn(self) -> list[Row]:
        """The best row of every coloured scheme, and up to GREYS rows in grey."""
        greys = [row for row in self.best if not self.styles[row.colour_key].named][:GREYS]
        return [row for row in self.best if self.styles[row.colour_key].named] + greys

    @property
    def axis(self) -> str:
        """The axis label: the metric's unit, and whether lower or higher is better."""
        return f"{self.metric.unit or self.metric.name}, {self.better} is better"

    @property
    def better(self) -> str:
        """`higher` or `lower`."""
        return "higher" if self.metric.higher_is_better else "lower"

    def entries(self, keys: Iterable[tuple[str, str]]) -> list[Entry]:
        """Return the series of these (name, scheme) pairs, those whose scheme has a colour first."""
        found = [Entry(name, self.styles[key], self.series(key)) for name, key in keys]
        return sorted(found, key=lambda entry: not entry.style.named)

    def series(self, key: str) -> int:
        """Return the number of a scheme, the same in every chart."""
        return list(self.styles).index(key)

    def names(self, rows: Sequence[Row]) -> tuple[dict[str, str], str]:
        """Return {row label: name in the legend} and a sentence on what all rows share.

        The name is the scheme alone where all other settings are equal.
        """
        shared = [key for key in self.comparison.by[1:] if len({row.keys[key] for row in rows}) == 1]
        if rows and len(shared) == len(self.comparison.by) - 1 > 0:
            same = ", ".join(f"{key} {format_value(rows[0].keys[key])}" for key in shared)
            return {row.label: row.colour_key for row in rows}, f" Each scheme at its best setting, {same}."
        about = " Each scheme at its best setting." if len(self.best) < len(self.group.rows) else ""
        return {row.label: row.label for row in rows}, about

    def line(self, axes: Axes, key: str, xs: Sequence[float], drawn: mean_curves.Line, dots: bool) -> None:
        """Draw one scheme's line with its band."""
        style = self.styles[key]
        if style.named and drawn.low != drawn.high:
            band = axes.fill_between(xs, drawn.low, drawn.high, color=style.colour, alpha=0.15, linewidth=0)
            tag(band, self.series(key), axes)
        drawn_as: dict[str, Any] = {"linestyle": style.dash, "linewidth": 1.7 if style.named else 0.8}
        (curve,) = axes.plot(xs, drawn.y, color=style.colour, marker=style.marker if dots else None, **drawn_as)
        tag(curve, self.series(key), axes)

    def mark(self, name: str, key: str, x: Sequence[float], y: Sequence[float]) -> Drawn:
        """Return what `clip_y` must know of a line or a point."""
        return Drawn(name, self.styles[key].colour, self.series(key), x, y)

    def finish(self, name: str, title: str, about: str, figure: Figure, entries: Sequence[Entry] = ()) -> Chart:
        """Render the chart under this group's prefix."""
        return finish(self.prefix + name, title, about, figure, entries)
