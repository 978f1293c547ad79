"""From runs to rows: one row a setting, seeds averaged, each against its baseline.

Runs that may be ranked together form a `Group` (one corpus, one set of targets); nothing is ranked across groups.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.baseline import against_baseline
from embedlab.compare.metrics import Metric, choose
from embedlab.compare.reading import Left, Run, clean
from embedlab.compare.rows import Group, Row, Trial
from embedlab.compare.varying import TUNED, known_key, select, show, varying, with_short_keys
from embedlab.config.errors import UserError

TARGETS = ("corpus.field", "corpus.val_fraction", "corpus.test_fraction", "data.max_eval_tokens")  # decide the targets
TARGETS_OF = {  # and those of what looks closer; the longest length tested decides the stretch that all are tested on
    "extrapolation": ("evaluation.max_tokens", "evaluation.length_factors", "evaluation.sliding_step"),
    "order_sensitivity": ("evaluation.order_windows",),
}


@dataclass(slots=True)
class Comparison:
    """Everything that the table, the files and the report show."""

    metric: Metric
    by: list[str]
    within: list[str]  # varying settings that are averaged over, because --by leaves them out
    together: dict[str, list[str]]
    groups: list[Group]
    runs: list[Run]
    left: list[Left]
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        return [row for group in self.groups for row in group.rows]


def compare(
    runs: Sequence[Run],
    left: Sequence[Left] = (),
    *,
    metric: str | None = None,
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    baseline: str | None = None,
) -> Comparison:
    """The comparison of these runs; UserError for a metric, key or baseline that they do not have."""
    with_short_keys(runs)
    kept = select(runs, where)
    with_short_keys(kept)  # a setting of a scheme that no longer varies leaves its name
    measure = choose(metric, kept)
    vary, together = varying(kept)
    known = {key for run in kept for key in run.settings}
    fair = fair_groups(kept, measure)
    asked = list(dict.fromkeys(known_key(key, known, "--by") for key in by))
    keys = asked or [key for key in vary if key not in TUNED and _varies_in_one(fair.values(), key)] or ["position"]
    tune = [key for key in TUNED if key not in keys]
    within = [key for key in vary if key not in (*keys, *TUNED) and not _implied(kept, key, keys)]
    lost = [run for run in kept if measure.value(run) is None]
    out = [
        *left,
        *(
            Left(clean(run.path), "diverged", run.diverged)
            if run.diverged
            else Left(clean(run.path), "metric", f"has no finite {measure.name}: it diverged or did not measure it")
            for run in lost
        ),
    ]
    groups = []
    for shared, members in fair.items():
        rows = [_row(values, own, measure, keys, within, tune) for values, own in _settings(members, keys).items()]
        groups.append(Group(dict(shared), [row for row in rows if row.by_seed], members))
    names = {key for group in groups for key in group.reason if len({g.reason.get(key) for g in groups}) > 1}
    for group in groups:
        group.reason = {key: value for key, value in group.reason.items() if key in names}
        group.rows.sort(key=lambda row: (-row.mean.mean if measure.higher_is_better else row.mean.mean, row.label))
    groups = sorted((group for group in groups if group.rows), key=lambda group: -len(group.rows))
    if not groups:
        raise UserError(f"no run has a finite {measure.name}: nothing to compare")
    against_baseline(groups, measure, keys, baseline, within)
    return Comparison(measure, keys, within, together, groups, kept, out)


def _varies_in_one(groups: Iterable[Sequence[Run]], key: str) -> bool:
    """Whether any ranking holds several values of `key`: what only tells rankings apart makes no rows."""
    return any(len({run.settings.get(key) for run in group}) > 1 for group in groups)


def _implied(runs: Sequence[Run], key: str, keys: Sequence[str]) -> bool:
    """Whether `keys` fix `key`: then rows do not average over it."""
    seen: dict[tuple[Any, ...], Any] = {}
    return all(
        seen.setdefault(tuple(run.settings.get(k) for k in keys), run.settings.get(key)) == run.settings.get(key)
        for run in runs
    )


def fair_groups(runs: Sequence[Run], metric: Metric) -> dict[tuple[tuple[str, str], ...], list[Run]]:
    """Runs by what must be equal for a ranking: text and target tokens; the tokenizer too for nats per token."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        shared = {"corpus": str(run.settings["corpus"])}
        for key in (*TARGETS, *(TARGETS_OF.get(metric.name.partition(".")[0], ()))):
            shared[key] = show(run.settings.get(key))
        if metric.per_token:
            shared["tokenizer"] = str(run.settings["tokenizer"])
        groups[tuple(shared.items())].append(run)
    return groups


def _settings(runs: Sequence[Run], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Run]]:
    rows: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        rows[tuple(run.settings.get(key) for key in keys)].append(run)
    return rows


def _row(
    values: tuple[Any, ...], runs: list[Run], metric: Metric, keys: list[str], within: list[str], tune: list[str]
) -> Row:
    named = dict(zip(keys, values, strict=True))
    label = " · ".join(
        show(value)
        if key in ("position", "position.name", "tokenizer", "corpus") or len(keys) == 1
        else f"{key.rpartition('.')[2]} {show(value)}"
        for key, value in named.items()
    )
    scheme = next((show(named[key]) for key in ("position", "position.name") if key in named), label)
    tried = _trials(runs, tune)
    means = _means(tried, metric.tuned_by) if len(tried) > 1 else {}
    tuned = min(means, key=lambda trial: (means[trial], trial), default=None)
    spread = max(mean for _, mean in means.values()) - means[tuned][1] if tuned else None
    runs = tried[tuned] if tuned else runs
    finite = [run for run in runs if metric.value(run) is not None]
    by_seed = per_seed(finite, metric)
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


def _trials(runs: Sequence[Run], keys: Sequence[str]) -> dict[Trial, list[Run]]:
    """Runs by what was tuned: those of `keys` that vary among the runs."""
    keys = [key for key in keys if len({run.settings.get(key) for run in runs}) > 1]
    tried: dict[Trial, list[Run]] = defaultdict(list)
    for run in runs if keys else ():
        values = [(key, float(value)) for key in keys if isinstance(value := run.settings.get(key), int | float)]
        if len(values) == len(keys):
            tried[tuple(values)].append(run)
    return tried


def _means(tried: dict[Trial, list[Run]], metric: Metric) -> dict[Trial, tuple[bool, float]]:
    """Each trial's mean validation figure, behind whether a seed was lost: then it is chosen only if all did."""
    means = {}
    for trial, runs in tried.items():
        if found := [value for run in runs if (value := metric.value(run)) is not None]:
            means[trial] = (len(found) < len(runs), sum(found) / len(found))
    return means


def per_seed(runs: Sequence[Run], metric: Metric) -> dict[int, float]:
    """{seed: mean over its runs}: a run repeated, or at several settings averaged over, is still one seed."""
    found: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        if (value := metric.value(run)) is not None:
            found[run.seed].append(value)
    return {seed: sum(values) / len(values) for seed, values in sorted(found.items())}
