"""Charts with one line for each scheme: over training, position, context length, shuffling and distance."""

from collections.abc import Callable, Iterator
from typing import Any

from matplotlib.figure import Figure

from embedlab.compare.charts import mean_curves
from embedlab.compare.charts.clipping import clip_y
from embedlab.compare.charts.drawing import Drawing
from embedlab.compare.charts.frame import HEAD, WIDTH, Chart, frame, heading, label, legend
from embedlab.compare.charts.scales import scale_x, scale_y, spread_x

PANELS = 8  # schemes whose heads are shown


def draw_lines(
    drawing: Drawing,
    name: str,
    title: str,
    unit: str,
    x: str,
    points: Callable[[Any], mean_curves.Points],
    about: str,
    kind: str = "line",
) -> Iterator[Chart]:
    """Draw one line for each scheme (its best row).

    `kind`: line; time (x from 0); steps (few x values, marked); names (x values at equal distances, y linear).
    """
    least = 1 if kind == "steps" else 2
    found = [(row, drawn) for row in drawing.drawn if (drawn := mean_curves.line(row.runs, points, least))]
    if not any(len(drawn.x) > 1 for _, drawn in found):
        return
    names, at_same = drawing.names([row for row, _ in found])
    xs_of_all = sorted({at for _, drawn in found for at in drawn.x})
    for row, drawn in found:
        if kind == "steps" and drawn.x[-1] < xs_of_all[-1]:
            names[row.label] += f" (ends at {drawn.x[-1]:g})"
    entries = drawing.entries((names[row.label], row.colour_key) for row, _ in found)
    figure, axes = frame(title, unit, x, entries)
    lines = []
    for row, drawn in reversed(found):  # the best on top
        xs = [xs_of_all.index(at) for at in drawn.x] if kind == "names" else drawn.x
        drawing.line(axes, row.colour_key, xs, drawn, dots=kind in ("steps", "names"))
        lines.append(drawing.mark(names[row.label], row.colour_key, xs, drawn.y))
    if kind == "names":
        axes.set_xticks(range(len(xs_of_all)), [f"{at:g}" for at in xs_of_all])
    elif kind == "time":
        axes.set_xlim(left=0)
        spread_x(axes, [0, *xs_of_all])
    else:
        scale_x(axes, xs_of_all)
    scale_y(axes, [value for _, drawn in found for value in (*drawn.low, *drawn.high)], linear=kind == "names")
    about += clip_y(axes, lines)
    legend(figure, entries)
    named = sum(entry.style.named for entry in entries)
    if len(drawing.best) > named:
        about += f" Grey: {len(found) - named} of {len(drawing.best) - named} further settings."
    yield drawing.finish(name, title, f"{about}{at_same}", figure, entries)


def attention_heads(drawing: Drawing) -> Iterator[Chart]:
    """Draw every head's mean attention weight by distance, one panel for each scheme."""
    drawn = [row for row in drawing.drawn if drawing.styles[row.colour_key].named and row.runs]
    lenses = [(row, *mean_curves.lens_heads(row.runs[0], "weight")) for row in drawn]
    found = [lens for lens in lenses if lens[2]][:PANELS]
    if not found:
        return
    names, at_same = drawing.names([row for row, _, _ in found])
    rows = -(-len(found) // 2)
    total = HEAD + rows * 1.45 + 0.25
    figure = Figure(figsize=(WIDTH, total))
    title = "Position lens: every head"
    heading(figure, title, "mean attention weight by distance, tokens back")
    for panel, (row, distances, weights) in enumerate(found):
        x, y = 0.5 + (panel % 2) * 2.1, total - HEAD - 1.45 * (panel // 2) - 1.2
        axes = figure.add_axes((x / WIDTH, y / total, 1.6 / WIDTH, 0.95 / total))
        axes.set_title(label(names[row.label], 24), fontsize=8.5, loc="left", pad=3)
        axes.tick_params(labelsize=7.5)
        for head in weights:
            axes.plot(distances, head, color=drawing.styles[row.colour_key].colour, linewidth=0.9, alpha=0.8)
        scale_x(axes, [distances[0], distances[-1]])
        scale_y(axes, [0.0, 1.0])
    yield drawing.finish(
        "lens_heads",
        title,
        "One line for each head of all layers; one seed. A head that attends to near tokens "
        "falls at once, one that attends to content stays flat." + at_same,
        figure,
    )
