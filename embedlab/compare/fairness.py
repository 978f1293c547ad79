"""What a reader must know before believing a ranking: every way in which the runs were not treated alike."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from embedlab.compare.comparison import Comparison
from embedlab.compare.reading import Run, clean
from embedlab.compare.rows import Group, Row
from embedlab.compare.varying import RATE, natural, show
from embedlab.compare.wording import join_words

SAME_SIZE = 0.01  # parameter counts closer than this share count as equal
VERSIONS = ("embedlab", "torch", "lightning", "python")


def notes(comparison: Comparison) -> list[str]:
    """One sentence for each, the gravest first; refusals come before them, from `refusals`."""
    found: list[str] = []
    for group in comparison.groups:
        place = f"{group.title}: " if group.title else ""
        for note in (*_seeds(group), *_averaged(group, comparison.within), *_tuning(group), *_sizes(group)):
            found.append(place + note)
    found += [*_alike(comparison), *_weak(comparison.rows), *_versions(comparison.runs), *_cautions(comparison.runs)]
    return found


def refusals(comparison: Comparison) -> list[str]:
    """Why settings stand in separate rankings; empty when all may be ranked together."""
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
        yield "every setting has one seed: no interval and no p-value can be given; run more seeds, as seed=1,2,3"
    elif single := [row.label for row in group.rows if row.mean.n == 1]:
        yield f"one seed only, so no interval and no p-value: {join_words(single)}"
    for row in group.rows:
        if row.lost:
            yield (
                f"{row.label}: {row.lost} of {row.lost + len(row.runs)} runs gave no finite number, and the mean over "
                "the others flatters it"
            )
    unpaired = [row.label for row in group.rows if row.difference and row.difference.method == "welch"]
    if unpaired:
        rows = join_words(unpaired)
        yield f"seeds are not those of the baseline, so Welch's test, which finds less than pairs: {rows}"
    for row in group.rows:
        if row.outside_pairs and row.difference:
            pairs = "1 seed" if row.difference.n == 1 else f"{row.difference.n} seeds"
            n = len(row.unpaired) + len(row.unpaired_baseline)
            yield (
                f"{row.label} − {row.baseline} is over the {pairs} that both have, the means over all: the pairs leave "
                f"out {n} ({row.outside_pairs}), so the means differ by another number"
            )
    flat = [row.label for row in group.rows if row.difference and row.difference.p is None and row.difference.n > 1]
    if flat:
        yield f"the difference is the same at every seed, so there is no spread to test against: {join_words(flat)}"
    repeated = sum(len(row.runs) - len({run.seed for run in row.runs}) for row in group.rows)
    if repeated and not group.rows[0].keys.keys() & {"seed"}:
        yield (
            f"{repeated} runs repeat a seed of their row (the same job twice, or settings averaged over): they are "
            "averaged and count as one seed"
        )
    gone = {row.label for row in group.rows if row.difference is None and not row.is_baseline}
    if gone:
        yield f"no baseline {group.baseline} with the same other settings, so no difference: {join_words(sorted(gone))}"


def _averaged(group: Group, within: Sequence[str]) -> Iterator[str]:
    for key in within:
        sets = {frozenset(show(run.settings.get(key)) for run in row.runs) for row in group.rows}
        values = sorted({run.settings.get(key) for run in group.runs}, key=natural)
        if len(values) < 2:
            continue
        yield f"rows average over {key} ({join_words([show(value) for value in values])})"
        if len(sets) > 1:
            yield f"not every row has every {key}: compare the differences, which use shared ones, not the means"


def _tuning(group: Group) -> Iterator[str]:
    tuned = [row for row in group.rows if row.tuned]
    if tuned:
        names = sorted({key for row in tuned for key, _ in row.tuned or ()})
        yield (
            f"tried at several values: {join_words(names)}; each row shows the ones with the best validation score "
            "(test scores are not looked at for this choice)"
        )
        counts = Counter(max(1, len(row.tried)) for row in group.rows)
        if len(counts) > 1:
            told = join_words([f"{rows} rows {tries} times" for tries, rows in sorted(counts.items())])
            yield f"not every row was tried equally often ({told}): more tries favour a row"
        elif len({tuple(row.tried) for row in group.rows}) > 1:
            yield f"every row was tried {len(tuned[0].tried)} times, but not all at the same values"
    elif RATE not in group.rows[0].keys:
        rates = {run.settings.get(RATE) for row in group.rows for run in row.runs}
        if len(rates) > 1:
            yield f"{RATE} differs between rows ({join_words([show(r) for r in sorted(rates, key=natural)])})"


def _sizes(group: Group) -> Iterator[str]:
    sizes = {row.label: size for row in group.rows if (size := row.average("parameters", "total"))}
    if sizes and (most := max(sizes.values())) > (1 + SAME_SIZE) * (least := min(sizes.values())):
        large, small = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
        yield f"parameter counts differ up to {most / least:.3g}-fold: {large} has {most:,.0f}, {small} {least:,.0f}"


def _alike(comparison: Comparison) -> Iterator[str]:
    for key, others in comparison.together.items():
        if set(others) != {"data.stride"} or key != "data.context_length":  # the stride follows by default
            yield f"{key} changes together with {join_words(others)}: which of them makes a difference cannot be told"
    runs = comparison.runs
    if len(_values(runs, "data.context_length")) > 1:
        yield "trained windows differ in length (data.context_length): scores are of tokens with more or less context"
    if len(_values(runs, "tokenizer")) > 1 and _values(runs, "data.max_eval_tokens") != {"null"}:
        yield (
            "tokenizers differ and data.max_eval_tokens cuts the text by tokens, so each is scored on another "
            "stretch of it; data.max_eval_tokens=null scores the same"
        )
    for key in ("evaluation.max_tokens", "evaluation.length_factors", "evaluation.shuffle_keep"):
        if len(_values(runs, key)) > 1:
            yield f"{key} differs: curves over longer contexts and order are of different targets"


def _weak(rows: Sequence[Row]) -> Iterator[str]:
    weak = []
    for row in rows:
        loss, bigram = row.average("val", "loss"), row.average("baselines", "bigram")
        if loss is not None and bigram is not None and loss >= bigram:
            weak.append(row.label)
    if weak:
        yield f"no better than counting pairs of tokens (bigram baseline), so hardly trained: {join_words(weak)}"


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
    """What the runs themselves warned of, with the schemes that it is about."""
    about: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        cautions = run.part("cautions")
        for caution in cautions if isinstance(cautions, list) else ():
            if isinstance(caution, str) and caution:
                about[clean(caution)].add(show(run.settings["position"]))
    for caution, schemes in sorted(about.items()):
        yield f"{join_words(sorted(schemes), 5)}: {caution}"


def _values(runs: Iterable[Run], key: str) -> set[str]:
    return {show(run.settings[key]) for run in runs if key in run.settings}
