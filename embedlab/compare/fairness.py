"""Notes on a ranking's fairness: every way in which the runs were not treated alike."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from embedlab.compare.comparison import Comparison
from embedlab.compare.finished_run import Run, clean
from embedlab.compare.looks import find_mixed_plans
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import RATE, format_value, natural_order
from embedlab.compare.wording import join_words

SAME_SIZE = 0.01  # parameter counts closer than this share count as equal
VERSIONS = ("embedlab", "torch", "lightning", "python")


def find_unequal_treatment(comparison: Comparison) -> list[str]:
    """Return one sentence for each unequal treatment, the gravest first; reports show them after `refusals`."""
    found: list[str] = []
    for group in comparison.groups:
        prefix = f"{group.title}: " if group.title else ""
        for note in (*_seeds(group), *_averaged(group, comparison.averaged), *_tuning(group), *_sizes(group)):
            found.append(prefix + note)
    found += find_mixed_plans(comparison.runs)
    found += [*_alike(comparison), *_weak(comparison.rows), *_versions(comparison.runs), *_cautions(comparison.runs)]
    return found


def refusals(comparison: Comparison) -> list[str]:
    """Return why there are separate rankings; empty if all settings may be ranked together."""
    if len(comparison.groups) < 2:
        return []
    why = {
        "corpus": "a loss on one text says nothing about another",
        "tokenizer": "nats per token do not compare across tokenizers; --metric test.bits_per_byte does",
    }
    found = []
    for key in sorted({key for group in comparison.groups for key in group.reason}):
        values = sorted({group.reason[key] for group in comparison.groups})
        reason = why.get(key, "the scores are of different target tokens")
        found.append(f"not ranked together: {key} is {join_words(values)}, and {reason}")
    return found


def _seeds(group: Group) -> Iterator[str]:
    if all(row.mean.n == 1 for row in group.rows):
        yield "every setting has one seed, so there is no interval and no p-value: run more seeds, as seed=1,2,3"
    elif single := [row.label for row in group.rows if row.mean.n == 1]:
        yield f"one seed only, so no interval and no p-value: {join_words(single)}"
    for row in group.rows:
        if row.without_number:
            count = f"{row.without_number} of {row.without_number + len(row.runs)} runs"
            yield f"{row.label}: {count} gave no finite number, so the mean over the others looks better than it is"
    unpaired = [row.label for row in group.rows if row.difference and row.difference.method == "welch"]
    if unpaired:
        rows = join_words(unpaired)
        yield f"too few seeds shared with the baseline, so Welch's test, which detects less than pairs do: {rows}"
    for row in group.rows:
        if row.outside_pairs and row.difference:
            pairs = "1 seed" if row.difference.n == 1 else f"{row.difference.n} seeds"
            n = len(row.unpaired) + len(row.unpaired_baseline)
            yield (
                f"{row.label} − {row.baseline} is over the {pairs} that both have, but the means are over all seeds: "
                f"the pairs exclude {n} ({row.outside_pairs}), so the means differ by another number"
            )
    flat = [row.label for row in group.rows if row.difference and row.difference.p is None and row.difference.n > 1]
    if flat:
        yield f"the difference is the same at every seed, so there is no spread to test against: {join_words(flat)}"
    repeated = sum(len(row.runs) - len({run.seed for run in row.runs}) for row in group.rows)
    if repeated and not group.rows[0].keys.keys() & {"seed"}:
        yield (
            f"{repeated} runs repeat a seed of their row (the same job twice, or settings averaged over): runs of one "
            "seed are averaged and count once"
        )
    without_baseline = {row.label for row in group.rows if row.difference is None and not row.is_baseline}
    if without_baseline:
        rows = join_words(sorted(without_baseline))
        yield f"no baseline {group.baseline} with the same other settings, so no difference: {rows}"


def _averaged(group: Group, averaged: Sequence[str]) -> Iterator[str]:
    for key in averaged:
        sets = {frozenset(format_value(run.settings.get(key)) for run in row.runs) for row in group.rows}
        values = sorted({run.settings.get(key) for run in group.runs}, key=natural_order)
        if len(values) < 2:
            continue
        yield f"rows average over {key} ({join_words([format_value(value) for value in values])})"
        if len(sets) > 1:
            yield f"not every row has every {key}: compare the differences, over the shared values, not the means"


def _tuning(group: Group) -> Iterator[str]:
    tuned = [row for row in group.rows if row.tuned]
    if tuned:
        names = sorted({key for row in tuned for key, _ in row.tuned or ()})
        yield (
            f"tuned: {join_words(names)}; each row shows the values with the best validation score (this choice never "
            "uses test scores)"
        )
        counts = Counter(max(1, len(row.tried)) for row in group.rows)
        if len(counts) > 1:
            tries = join_words([f"{rows} rows {times} times" for times, rows in sorted(counts.items())])
            yield f"not every row was tried equally often ({tries}): more tries favour a row"
        elif len({tuple(row.tried) for row in group.rows}) > 1:
            yield f"every row was tried {len(tuned[0].tried)} times, but not all at the same values"
    elif RATE not in group.rows[0].keys:
        rates = sorted({run.settings.get(RATE) for row in group.rows for run in row.runs}, key=natural_order)
        if len(rates) > 1:
            yield f"{RATE} differs between rows ({join_words([format_value(rate) for rate in rates])})"


def _sizes(group: Group) -> Iterator[str]:
    sizes = {row.label: size for row in group.rows if (size := row.average("parameters", "total"))}
    if sizes and (most := max(sizes.values())) > (1 + SAME_SIZE) * (least := min(sizes.values())):
        large, small = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
        yield f"parameter counts differ up to {most / least:.3g}-fold: {large} has {most:,.0f}, {small} {least:,.0f}"


def _alike(comparison: Comparison) -> Iterator[str]:
    for key, others in comparison.together.items():
        if set(others) != {"data.stride"} or key != "data.context_length":  # the stride follows by default
            yield f"{key} changes together with {join_words(others)}: their effects cannot be separated"
    runs = comparison.runs
    if len(_values(runs, "data.context_length")) > 1:
        yield "training windows differ in length (data.context_length), so tokens are scored with different context"
    if len(_values(runs, "tokenizer")) > 1 and _values(runs, "data.max_eval_tokens") != {"null"}:
        yield (
            "tokenizers differ and data.max_eval_tokens cuts the text by tokens, so each is scored on another part of "
            "it; data.max_eval_tokens=null scores all of it"
        )
    for metric in comparison.also:
        if metric.per_token and len(_values(runs, "tokenizer")) > 1:
            yield f"{metric.name} is per token and tokenizers differ: it compares only within one tokenizer"
    for key in ("evaluation.max_tokens", "evaluation.length_factors", "evaluation.shuffle_keep"):
        if len(_values(runs, key)) > 1:
            yield f"{key} differs: curves over context length and order are of different target tokens"


def _weak(rows: Sequence[Row]) -> Iterator[str]:
    weak = []
    for row in rows:
        loss, bigram = row.average("val", "loss"), row.average("baselines", "bigram")
        if loss is not None and bigram is not None and loss >= bigram:
            weak.append(row.label)
    if weak:
        yield f"no better than token pair counts (bigram baseline), so hardly trained: {join_words(weak)}"


def _versions(runs: Sequence[Run]) -> Iterator[str]:
    for name in VERSIONS:
        found = sorted({version for run in runs if (version := run.text("versions", name))})
        if len(found) > 1:
            yield f"runs were made with different versions of {name}: {join_words(found)}"
    commits = sorted({commit[:9] for run in runs if (commit := run.text("git", "commit"))})
    if len(commits) > 1:
        yield f"runs were made from different commits: {join_words(commits)}"
    dirty = sum(run.part("git", "dirty") is True for run in runs)
    if dirty:
        yield f"{dirty} of {len(runs)} runs were made from code with uncommitted changes"


def _cautions(runs: Sequence[Run]) -> Iterator[str]:
    """Yield each caution that runs recorded, with the schemes that it concerns."""
    about: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        cautions = run.part("cautions")
        for caution in cautions if isinstance(cautions, list) else ():
            if isinstance(caution, str) and caution:
                about[clean(caution)].add(format_value(run.settings["position"]))
    for caution, schemes in sorted(about.items()):
        yield f"{join_words(sorted(schemes), 5)}: {caution}"


def _values(runs: Iterable[Run], key: str) -> set[str]:
    return {format_value(run.settings[key]) for run in runs if key in run.settings}
