"""What all charts of one ranking share: which schemes are drawn, how each looks and what it is called."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from embedlab.compare.charts import mean_curves
from embedlab.compare.charts.frame import Chart, finish
from embedlab.compare.charts.style import Look
from embedlab.compare.comparison import Comparison
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import show

GREYS = 24  # unnamed lines in one chart
RANGE = "Bands span the seeds from lowest to highest."


@dataclass(frozen=True, slots=True)
class Drawing:
    """One group's charts; `prefix` keeps the files of several groups apart."""

    comparison: Comparison
    group: Group
    looks: dict[str, Look]
    prefix: str = ""

    @property
    def metric(self) -> Metric:
        return self.comparison.metric

    @property
    def unit(self) -> str:
        """Unit of curves."""
        return mean_curves.unit(self.metric)

    @property
    def best(self) -> list[Row]:
        """The best row of every scheme."""
        return mean_curves.best_rows(self.group)

    @property
    def drawn(self) -> list[Row]:
        """The best row of every scheme that has a colour, and some in grey."""
        greys = [row for row in self.best if not self.looks[row.colour_key].named][:GREYS]
        return [row for row in self.best if self.looks[row.colour_key].named] + greys

    @property
    def axis(self) -> str:
        """The metric's unit and which way is better."""
        return f"{self.metric.unit or self.metric.name}, {self.better} is better"

    @property
    def better(self) -> str:
        return "higher" if self.metric.higher_is_better else "lower"

    def named(self, keys: Iterable[tuple[str, str]]) -> list[tuple[str, Look]]:
        """Legend entries for (name, scheme) pairs that have a colour."""
        return [(name, self.looks[key]) for name, key in keys if self.looks[key].named]

    def names(self, rows: Sequence[Row]) -> tuple[dict[str, str], str]:
        """{row: its name in a legend} and what the rows share: the scheme alone where all else is equal."""
        shared = [key for key in self.comparison.by[1:] if len({row.keys[key] for row in rows}) == 1]
        if rows and len(shared) == len(self.comparison.by) - 1 > 0:
            same = ", ".join(f"{key} {show(rows[0].keys[key])}" for key in shared)
            return {row.label: row.colour_key for row in rows}, f" Each scheme at its best setting, {same}."
        about = " Each scheme at its best setting." if len(self.best) < len(self.group.rows) else ""
        return {row.label: row.label for row in rows}, about

    def line(self, axes: Axes, key: str, xs: Sequence[float], drawn: mean_curves.Line, dots: bool) -> None:
        """One scheme's line with its band."""
        style = self.looks[key]
        if style.named and drawn.low != drawn.high:
            axes.fill_between(xs, drawn.low, drawn.high, color=style.colour, alpha=0.15, linewidth=0)
        drawn_as: dict[str, Any] = {"linestyle": style.dash, "linewidth": 1.7 if style.named else 0.8}
        axes.plot(xs, drawn.y, color=style.colour, marker=style.marker if dots else None, **drawn_as)

    def finish(self, name: str, title: str, about: str, figure: Figure) -> Chart:
        """The chart under this group's name."""
        return finish(self.prefix + name, title, about, figure)
