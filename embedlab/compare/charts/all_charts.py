"""All charts of one ranking, in the order of the report. A chart that no run has data for is not drawn."""

from collections.abc import Iterator

from embedlab.compare.charts import mean_curves
from embedlab.compare.charts.drawing import RANGE, Drawing
from embedlab.compare.charts.frame import Chart, chart_settings
from embedlab.compare.charts.line_charts import attention_heads, draw_lines
from embedlab.compare.charts.metric_charts import draw_learning_rates, scatter, sweep
from embedlab.compare.charts.pairs_chart import pairs
from embedlab.compare.charts.ranking_chart import ranking
from embedlab.compare.charts.style import Style, assign_styles
from embedlab.compare.comparison import Comparison
from embedlab.compare.rows import Group


def charts(comparison: Comparison, group: Group, style_of: dict[str, Style], prefix: str = "") -> Iterator[Chart]:
    """Yield every chart that this group's runs have data for; file names begin with `prefix`."""
    with chart_settings():
        yield from _all(Drawing(comparison, group, style_of, prefix))


def _all(drawing: Drawing) -> Iterator[Chart]:
    metric, unit = drawing.metric, drawing.unit
    yield ranking(drawing)
    yield from pairs(drawing)
    yield from draw_lines(
        drawing,
        "validation",
        "Validation loss over training",
        unit,
        "training tokens",
        mean_curves.validation(metric),
        RANGE,
        kind="time",
    )
    yield from draw_lines(
        drawing,
        "loss_by_position",
        "Loss by position in the window",
        unit,
        "position, counted from 1",
        mean_curves.by_position(metric),
        "The first tokens see little context, so their loss is high. Later positions are averaged in bins. " + RANGE,
    )
    missing = [f"{name}: {why}" for name, why in mean_curves.find_undefined(drawing.drawn).items()]
    gaps = ("No number: " + "; ".join(missing[:6]) + ". ") if missing else ""
    for protocol, about in (
        ("sliding", "The same target tokens at every length, each with as much context as the length allows. "),
        (
            "non_overlapping",
            "The same target tokens at every length, in windows that do not overlap, so that tokens "
            "early in a window see little. ",
        ),
    ):
        yield from draw_lines(
            drawing,
            f"longer_{protocol}",
            f"Longer contexts, {protocol.replace('_', '-')} windows",
            unit,
            "context length, tokens",
            mean_curves.read_context_scores(metric, protocol),
            about + gaps + RANGE,
            kind="steps",
        )
    yield from draw_lines(
        drawing,
        "order",
        "Order sensitivity: rise when shuffled",
        f"rise, {unit}",
        "last tokens kept in order",
        mean_curves.read_shuffled_scores(metric),
        "How much worse the model gets when all context but the last tokens is "
        "shuffled; near 0 it does not use order. " + RANGE,
        kind="names",
    )
    yield from scatter(drawing, "parameters", "Quality against parameters", "parameters", ("parameters", "total"))
    yield from scatter(drawing, "pareto", "Quality against training time", "seconds of training", ("train_seconds",))
    for key in drawing.comparison.by:
        yield from sweep(drawing, key)
    yield from draw_learning_rates(drawing)
    for kind in ("logit", "weight"):
        yield from draw_lines(
            drawing,
            f"lens_{kind}",
            f"Position lens: mean attention {kind}",
            f"attention {kind}",
            "distance, tokens back",
            mean_curves.lens(kind),
            "Mean over layers, heads and queries. " + RANGE,
        )
    yield from attention_heads(drawing)


def style_of(comparison: Comparison) -> dict[str, Style]:
    """Return the style of every scheme in all charts of a comparison."""
    baselines = [row.colour_key for row in comparison.rows if row.is_baseline]
    return assign_styles(list(dict.fromkeys(row.colour_key for row in comparison.rows)), list(dict.fromkeys(baselines)))
