"""Build the comparison: one row for each setting, seeds averaged, each row compared with its baseline.

Runs that may be ranked together form a `Group` (one corpus, one set of target tokens); no ranking crosses groups.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from embedlab.compare import statistics
from embedlab.compare.baseline import compare_with_baseline
from embedlab.compare.finished_run import Run, clean
from embedlab.compare.looks import correct_for_looks, planned_looks
from embedlab.compare.make_row import make_row, mean_per_seed
from embedlab.compare.metrics import Metric, choose_metric
from embedlab.compare.pairs import compare_pairs, set_letters
from embedlab.compare.reading import Excluded
from embedlab.compare.rows import Group, Row
from embedlab.compare.text_spread import cover_other_text
from embedlab.compare.varying import TUNED, add_short_keys, find_varying, format_value, resolve_key, select_runs
from embedlab.config.errors import UserError

TARGETS = ("corpus.field", "corpus.val_fraction", "corpus.test_fraction", "data.max_eval_tokens")  # decide the targets
TARGETS_OF = {  # the same for the evaluations; the longest length tested decides which text all lengths are tested on
    "extrapolation": ("evaluation.max_tokens", "evaluation.length_factors", "evaluation.sliding_step"),
    "order_sensitivity": ("evaluation.order_windows",),
}


@dataclass(slots=True)
class Comparison:
    """The content of the table, the files and the report."""

    metric: Metric
    by: list[str]
    averaged: list[str]  # varying settings that --by does not name: rows average over them
    together: dict[str, list[str]]  # {key: other keys that change exactly with it}
    groups: list[Group]
    runs: list[Run]
    excluded: list[Excluded]
    looks: tuple[int, ...] = ()  # numbers of seeds after which a sweep until=decided looked at its results
    notes: list[str] = field(default_factory=list)
    also: list[Metric] = field(default_factory=list)  # shown beside the one that ranks

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]


def compare(
    runs: Sequence[Run],
    excluded: Sequence[Excluded] = (),
    *,
    metric: str | None = None,
    also: Sequence[str] = (),
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    baseline: str | None = None,
) -> Comparison:
    """Compare these runs by one metric; `also` are shown beside it and rank nothing.

    Raises UserError if the runs do not have a metric, the key or the baseline asked for.
    """
    add_short_keys(runs)
    kept = select_runs(runs, where)
    add_short_keys(kept)  # again: a scheme's setting that no longer varies is removed from its name
    measure = choose_metric(metric, kept)
    beside = [choose_metric(name, kept) for name in dict.fromkeys(also) if name != measure.name]
    vary, together = find_varying(kept)
    known = {key for run in kept for key in run.settings}
    fair = fair_groups(kept, measure)
    asked = list(dict.fromkeys(resolve_key(key, known, "--by") for key in by))
    keys = (
        asked
        or [key for key in vary if key not in TUNED and _varies_within_a_group(fair.values(), key)]
        or ["position"]
    )
    tune = [key for key in TUNED if key not in keys]
    averaged = [key for key in vary if key not in (*keys, *TUNED) and not _determined_by(kept, key, keys)]
    without_number = [run for run in kept if measure.value(run) is None]
    all_excluded = [
        *excluded,
        *(
            Excluded(clean(run.path), "diverged", run.diverged)
            if run.diverged
            else Excluded(clean(run.path), "metric", f"has no finite {measure.name}: it diverged or did not measure it")
            for run in without_number
        ),
    ]
    groups = []
    for shared, members in fair.items():
        rows = [make_row(values, own, measure, keys, tune) for values, own in _by_setting(members, keys).items()]
        groups.append(Group(dict(shared), [row for row in rows if row.by_seed], members))
    names = {key for group in groups for key in group.reason if len({g.reason.get(key) for g in groups}) > 1}
    for group in groups:
        group.reason = {key: value for key, value in group.reason.items() if key in names}
        group.rows.sort(key=lambda row: (-row.mean.mean if measure.higher_is_better else row.mean.mean, row.label))
    groups = sorted((group for group in groups if group.rows), key=lambda group: -len(group.rows))
    if not groups:
        raise UserError(f"no run has a finite {measure.name}: nothing to compare")
    compare_with_baseline(groups, measure, keys, baseline, averaged)
    compare_pairs(groups, measure, averaged)
    if looks := planned_looks(kept):
        correct_for_looks(groups, looks)
    for group in groups:
        set_letters(group)
    cover_other_text(groups, measure, averaged)
    for row in (row for group in groups for row in group.rows):
        by_seed = {metric.name: mean_per_seed(row.runs, metric) for metric in beside}
        row.also = {name: statistics.mean(list(values.values())) for name, values in by_seed.items() if values}
    return Comparison(measure, keys, averaged, together, groups, kept, all_excluded, looks, also=beside)


def _varies_within_a_group(groups: Iterable[Sequence[Run]], key: str) -> bool:
    """Return whether any group has several values of `key`: a key that differs only between groups makes no rows."""
    return any(len({run.settings.get(key) for run in group}) > 1 for group in groups)


def _determined_by(runs: Sequence[Run], key: str, keys: Sequence[str]) -> bool:
    """Return whether `keys` determine the value of `key`: then rows do not average over it."""
    seen: dict[tuple[Any, ...], Any] = {}
    return all(
        seen.setdefault(tuple(run.settings.get(k) for k in keys), run.settings.get(key)) == run.settings.get(key)
        for run in runs
    )


def fair_groups(runs: Sequence[Run], metric: Metric) -> dict[tuple[tuple[str, str], ...], list[Run]]:
    """Group runs by what a fair ranking needs equal: text and target tokens; for nats per token the tokenizer too."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        shared = {"corpus": str(run.settings["corpus"])}
        for key in (*TARGETS, *(TARGETS_OF.get(metric.name.partition(".")[0], ()))):
            shared[key] = format_value(run.settings.get(key))
        if metric.per_token:
            shared["tokenizer"] = str(run.settings["tokenizer"])
        groups[tuple(shared.items())].append(run)
    return groups


def _by_setting(runs: Sequence[Run], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Run]]:
    rows: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        rows[tuple(run.settings.get(key) for key in keys)].append(run)
    return rows
