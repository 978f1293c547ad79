"""The lines that charts draw: one for each row, averaged over its runs, with the range that the runs span."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from embedlab.compare.finished_run import Run, number, numbers
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Row

Points = dict[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """The points of a line and its band; low and high equal y where there is one run."""

    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]


def best_rows(group: Group) -> list[Row]:
    """Return the best row of every scheme, the best first, for charts where a scheme gets one line."""
    found: dict[str, Row] = {}
    for row in group.rows:
        found.setdefault(row.colour_key, row)
    return list(found.values())


def line(runs: Sequence[Run], points: Callable[[Run], Points], least: int = 2) -> Line | None:
    """Return the mean, lowest and highest over runs at every x that all of them have.

    None where there are fewer than `least` such x.
    """
    each = [found for run in runs if (found := points(run))]
    if not each:
        return None
    xs = sorted(x for x in each[0] if all(x in other for other in each))
    columns = [[found[x] for found in each] for x in xs]
    if len(xs) < least:
        return None
    return Line(xs, [sum(c) / len(c) for c in columns], [min(c) for c in columns], [max(c) for c in columns])


def validation(metric: Metric) -> Callable[[Run], Points]:
    """Return a reader of the validation loss over training tokens, from metrics.csv."""

    def points(run: Run) -> Points:
        scale = _scale(run, "val", metric)
        tokens = tokens_per_step(run)
        if scale is None or tokens is None:
            return {}
        return {step * tokens: loss * scale for step, loss in run.history("val/loss")}

    return points


def tokens_per_step(run: Run) -> float | None:
    """Return the training tokens of one optimizer step: batch x window x accumulated batches."""
    batch, window = (number(run.settings.get(f"data.{key}")) for key in ("batch_size", "context_length"))
    accumulated = number(run.settings.get("trainer.accumulate_grad_batches")) or 1
    return None if batch is None or window is None else batch * window * accumulated


def by_position(metric: Metric) -> Callable[[Run], Points]:
    """Return a reader of the loss by position of the window, counted from 1, averaged over bins.

    The first positions, where the loss falls, keep bins of their own; later bins grow by half an octave, because a
    position's loss is noisier than the difference from its neighbours.
    """

    def points(run: Run) -> Points:
        scale = _scale(run, "test", metric)
        losses = numbers(run.part("loss_by_position"))
        if scale is None:
            return {}
        found: dict[int, list[tuple[int, float]]] = {}
        for position, loss in enumerate(losses, 1):
            if not math.isnan(loss):
                found.setdefault(int(2 * math.log2(position) + 1e-9), []).append((position, loss * scale))
        return {math.sqrt(bin[0][0] * bin[-1][0]): fmean(loss for _, loss in bin) for bin in found.values()}

    return points


def read_context_scores(metric: Metric, protocol: str) -> Callable[[Run], Points]:
    """Return a reader of the score at each evaluated context length where the scheme is defined."""
    key = "loss" if metric.per_token else "bits_per_byte"

    def points(run: Run) -> Points:
        found = {}
        for entry in run.entries("extrapolation"):
            length, value = number(entry.get("context_length")), number(entry.get(key))
            usable = entry.get("defined") is not False and entry.get("protocol", protocol) == protocol
            if usable and length is not None and value is not None:
                found[length] = value
        return found

    return points


def find_undefined(rows: Sequence[Row]) -> dict[str, str]:
    """Return {row label: why it has no score at some length}."""
    return {
        row.label: str(entry.get("note") or "undefined")
        for row in rows
        for run in row.runs
        for entry in run.entries("extrapolation")
        if entry.get("defined") is False
    }


def read_shuffled_scores(metric: Metric) -> Callable[[Run], Points]:
    """Return a reader of the rise of the loss when all but the last `keep` tokens are shuffled."""

    def points(run: Run) -> Points:
        scale = _scale(run, "test", metric)
        if scale is None:
            return {}
        pairs = [(number(entry.get("keep")), number(entry.get("rise"))) for entry in run.entries("order_sensitivity")]
        return {keep: rise * scale for keep, rise in pairs if keep is not None and rise is not None}

    return points


def lens(kind: str) -> Callable[[Run], Points]:
    """Return a reader of the attention `logit` or `weight` at each distance, averaged over layers and heads."""

    def points(run: Run) -> Points:
        distances, heads = lens_heads(run, kind)
        columns = zip(*heads, strict=True)
        return {
            x: sum(column) / len(column)
            for x, column in zip(distances, columns, strict=False)
            if not any(map(math.isnan, [x, *column]))
        }

    return points


def lens_heads(run: Run, kind: str) -> tuple[list[float], list[list[float]]]:
    """Return the distances, and one list over them for each head of each layer.

    `position_lens.logits` is [layer][head][distance from 0]; an older form is `layers[].heads[].logit` beside
    `distances`.
    """
    layers = run.part("position_lens", f"{kind}s")
    if isinstance(layers, list):
        found = [numbers(head) for layer in layers if isinstance(layer, list) for head in layer]
        distances = list(map(float, range(max(map(len, found), default=0))))
    else:
        distances, found = numbers(run.part("position_lens", "distances")), list(_named_heads(run, kind))
    return distances, [values for values in found if values and len(values) == len(distances)]


def _named_heads(run: Run, kind: str) -> Iterator[list[float]]:
    layers = run.part("position_lens", "layers")
    for layer in layers if isinstance(layers, list) else []:
        heads = layer.get("heads") if isinstance(layer, dict) else None
        for head in heads if isinstance(heads, list) else []:
            if isinstance(head, dict):
                yield numbers(head.get(kind))


def unit(metric: Metric) -> str:
    """Return the unit of the curves: nats per token for metrics in nats, else bits per byte."""
    return "nats/token" if metric.per_token else "bits/byte"


def _scale(run: Run, part: str, metric: Metric) -> float | None:
    """Return the factor from nats/token to the curves' unit; for bits per byte that of the run's own text."""
    if metric.per_token:
        return 1.0
    loss, bits = run.number(part, "loss"), run.number(part, "bits_per_byte")
    return bits / loss if loss and bits is not None else None
