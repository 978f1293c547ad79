"""Make a row of its runs: the best trial by validation, seeds averaged."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.finished_run import Run
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Row, Trial
from embedlab.compare.varying import format_value


def make_row(values: tuple[Any, ...], runs: list[Run], metric: Metric, keys: list[str], tune: list[str]) -> Row:
    """Return the row whose `keys` have these values; the settings in `tune` are chosen by validation."""
    named = dict(zip(keys, values, strict=True))
    label = " · ".join(
        format_value(value)
        if key in ("position", "position.name", "tokenizer", "corpus") or len(keys) == 1
        else f"{key.rpartition('.')[2]} {format_value(value)}"
        for key, value in named.items()
    )
    scheme = next((format_value(named[key]) for key in ("position", "position.name") if key in named), label)
    tried = _by_trial(runs, tune)
    means = _validation_means(tried, metric.tuned_by) if len(tried) > 1 else {}
    tuned = min(means, key=lambda trial: (means[trial], trial), default=None)
    spread = max(mean for _, mean in means.values()) - means[tuned][1] if tuned else None
    runs = tried[tuned] if tuned else runs
    finite = [run for run in runs if metric.value(run) is not None]
    by_seed = mean_per_seed(finite, metric)
    moments = statistics.mean(list(by_seed.values())) if by_seed else statistics.Mean(0, 0.0, None, None, None)
    return Row(
        named,
        label,
        scheme,
        finite,
        len(runs) - len(finite),
        by_seed,
        moments,
        tuned,
        dict(sorted(tried.items())),
        spread,
    )


def _by_trial(runs: Sequence[Run], keys: Sequence[str]) -> dict[Trial, list[Run]]:
    """Group runs by the values of their tuned settings: those of `keys` that vary among the runs."""
    keys = [key for key in keys if len({run.settings.get(key) for run in runs}) > 1]
    tried: dict[Trial, list[Run]] = defaultdict(list)
    for run in runs if keys else ():
        values = [(key, float(value)) for key in keys if isinstance(value := run.settings.get(key), int | float)]
        if len(values) == len(keys):
            tried[tuple(values)].append(run)
    return tried


def _validation_means(tried: dict[Trial, list[Run]], metric: Metric) -> dict[Trial, tuple[bool, float]]:
    """Return {trial: (whether a run has no finite number, mean validation score)}.

    In this order, a trial with such a run is chosen only if every trial has one.
    """
    means = {}
    for trial, runs in tried.items():
        if found := [value for run in runs if (value := metric.value(run)) is not None]:
            means[trial] = (len(found) < len(runs), sum(found) / len(found))
    return means


def mean_per_seed(runs: Sequence[Run], metric: Metric) -> dict[int, float]:
    """Return {seed: mean over its runs}: repeated runs, or runs of settings averaged over, still count as one seed."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        if (value := metric.value(run)) is not None:
            found[run.seed].append(value)
    return {seed: sum(values) / len(values) for seed, values in sorted(found.items())}
