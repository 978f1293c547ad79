"""Charts of the metric against size, speed, a swept setting and learning rate."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from embedlab.compare.charts import mean_curves
from embedlab.compare.charts.clipping import clip_y
from embedlab.compare.charts.drawing import RANGE, Drawing
from embedlab.compare.charts.frame import Chart, frame, legend, tag
from embedlab.compare.charts.ranking_chart import axis_limits
from embedlab.compare.charts.scales import scale_x, scale_y, spread_x
from embedlab.compare.charts.style import AXIS, BASELINE, PAPER
from embedlab.compare.costs import pareto_front
from embedlab.compare.finished_run import number
from embedlab.compare.rows import Row
from embedlab.compare.varying import RATE

SWEPT = 60  # most lines over a swept setting, the best first


def scatter(drawing: Drawing, name: str, title: str, x: str, keys: tuple[str, ...]) -> Iterator[Chart]:
    """Draw every row's metric against another number of its results; rows of one scheme are joined."""
    found = [(row, at) for row in drawing.group.rows if (at := row.average(*keys)) is not None]
    if not found:
        return
    schemes = list(dict.fromkeys(row.colour_key for row, _ in found))
    entries = drawing.entries((key, key) for key in schemes)
    figure, axes = frame(title, drawing.axis, x, entries)
    for key in reversed(schemes):
        points = sorted((at, row.mean.mean) for row, at in found if row.colour_key == key)
        style = drawing.styles[key]
        (drawn,) = axes.plot(
            [at for at, _ in points],
            [value for _, value in points],
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markersize=7 if len(points) == 1 else 5,
            markeredgecolor=PAPER[0],
            markeredgewidth=0.6,
            linewidth=1,
        )
        tag(drawn, drawing.series(key), axes)
    front = pareto_front(found, drawing.metric.higher_is_better)
    steps = [at for _, at in front], [row.mean.mean for row, _ in front]
    axes.plot(*steps, color=AXIS[0], drawstyle="steps-post", linewidth=0.9, zorder=0.5)
    spread_x(axes, [at for _, at in found])
    scale_y(axes, [row.mean.mean for row, _ in found])
    axes.margins(x=0.08, y=0.1)
    marks = [drawing.mark(row.label, row.colour_key, [at], [row.mean.mean]) for row, at in found]
    cut = clip_y(axes, marks)
    legend(figure, entries)
    about = "Each mark is a setting" + (", each line a scheme." if len(found) > len(schemes) else ".")
    about += " Stairs: the Pareto front; nothing is both cheaper and better than a setting on it." + cut
    yield drawing.finish(name, title, about, figure, entries)


def sweep(drawing: Drawing, key: str) -> Iterator[Chart]:
    """Draw the metric over one numeric setting, one line for each value of the others, with 95 % bands."""
    others = [other for other in drawing.comparison.by if other != key]
    groups: dict[tuple[Any, ...], list[tuple[float, Row]]] = {}
    for row in drawing.group.rows:
        if (at := number(row.keys[key])) is not None:
            groups.setdefault(tuple(row.keys[other] for other in others), []).append((at, row))
    several = [sorted(points, key=lambda point: point[0]) for points in groups.values() if len(points) > 1][:SWEPT]
    if not several:
        return
    lone = key == drawing.comparison.by[0]  # every row has a colour of its own, so one line in ink joins them
    title = f"{drawing.metric.name} over {key.rpartition('.')[2]}"
    schemes = [] if lone else list(dict.fromkeys(row.colour_key for ((_, row), *_) in several))
    entries = drawing.entries((scheme, scheme) for scheme in schemes)
    figure, axes = frame(title, drawing.axis, key, entries)
    for points in reversed(several):
        scheme = points[0][1].colour_key
        style = BASELINE if lone else drawing.styles[scheme]
        banded = [(at, row.mean.low, row.mean.high) for at, row in points if row.mean.low is not None]
        if style.named and banded:
            xs, low, high = zip(*banded, strict=True)
            band = axes.fill_between(xs, low, high, color=style.colour, alpha=0.15, linewidth=0)
            tag(band, drawing.series(scheme), axes)
        means = [row.mean.mean for _, row in points]
        (drawn,) = axes.plot(
            [at for at, _ in points], means, color=style.colour, linestyle=style.dash, marker=style.marker
        )
        tag(drawn, drawing.series(scheme), axes)
    rows = [row for points in several for _, row in points]
    scale_x(axes, [at for points in several for at, _ in points])
    scale_y(axes, [row.mean.mean for row in rows])
    if axes.get_yscale() == "linear":
        axes.set_ylim(axis_limits(rows))
    legend(figure, entries)
    about = "Bands: 95 % intervals over seeds."
    if len(others) > 1 or (others and lone):
        about += f" One line for each of {', '.join(others)}."
    yield drawing.finish(f"sweep_{''.join(c if c.isalnum() else '_' for c in key)}", title, about, figure, entries)


def draw_learning_rates(drawing: Drawing) -> Iterator[Chart]:
    """Draw how much each scheme depends on its learning rate."""
    metric = drawing.metric.tuned_by

    def points(row: Row) -> mean_curves.Line | None:
        scores: dict[float, list[float]] = {}
        for trial, runs in row.tried.items():
            values = [value for run in runs if (value := metric.value(run)) is not None]
            rate = dict(trial).get(RATE)
            if values and rate is not None and (rate not in scores or fmean(values) < fmean(scores[rate])):
                scores[rate] = values
        if len(scores) < 2:
            return None
        return mean_curves.Line(
            list(scores),
            [fmean(v) for v in scores.values()],
            [min(v) for v in scores.values()],
            [max(v) for v in scores.values()],
        )

    found = [(row, drawn) for row in drawing.drawn if (drawn := points(row))]
    if not found:
        return
    names, at_same = drawing.names([row for row, _ in found])
    entries = drawing.entries((names[row.label], row.colour_key) for row, _ in found)
    title = "Sensitivity to the learning rate"
    figure, axes = frame(title, f"{metric.name}, {metric.unit}", RATE, entries)
    for row, drawn in reversed(found):
        drawing.line(axes, row.colour_key, drawn.x, drawn, dots=True)
    scale_x(axes, [at for _, drawn in found for at in drawn.x])
    scale_y(axes, [value for _, drawn in found for value in drawn.high])
    legend(figure, entries)
    yield drawing.finish(
        "learning_rate",
        title,
        "Validation score at every learning rate tried (at the best bias scale, where that was tried too); the lowest "
        "enters the ranking. " + RANGE + at_same,
        figure,
        entries,
    )
