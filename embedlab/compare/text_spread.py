"""Intervals that cover other seeds and other text of the same kind: both are samples, so both spread the score.

u[s, w] is the score of piece w of the test text (a document or a window) under seed s, in two crossed random effects:

    u[s, w] = mean + seed[s] + text[w] + rest[s, w]

With S seeds and W pieces, and MS the mean squares of the two-way analysis of variance without replication,

    E MS_seed = rest² + W · seed²      E MS_text = rest² + S · text²      E MS_rest = rest²

(Searle, Casella & McCulloch 1992, "Variance Components", chapter 4), so the mean's variance has two estimated parts,

    of the seeds  MS_seed / (S · W)                        with S - 1 degrees of freedom
    of the text   max(0, MS_text - MS_rest) / (S · W)      with W - 1

and the interval is mean ± sqrt(h_seed² + h_text²), h = t(0.975) · sqrt(part): the limits of a sum of two independent
effects (Zou & Donner 2008, "Construction of confidence limits about effect measures", Statistics in Medicine 27).
h_seed is half the usual interval over seeds, so this one is never narrower. A text whose effect is taken as fixed makes
a difference look surer than it is: Clark (1973), "The language-as-fixed-effect fallacy".

A score is a ratio R = Σ nats / Σ bytes over pieces of unequal size, so u is the linearised piece,
R + (nats[w] - R · bytes[w]) · W / Σ bytes, whose mean is R (Cochran 1977, "Sampling Techniques", section 6). A
difference from the baseline is taken piece by piece under the same seed: what is hard for both cancels.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.special import stdtrit

from embedlab.compare.finished_run import Run
from embedlab.compare.matching import cells_of, match
from embedlab.compare.metrics import Metric
from embedlab.compare.rows import Group, Row
from embedlab.compare.statistics import LEVEL

SIZES = {"test.bits_per_byte": "bytes", "test.loss": "tokens"}  # {metric: what a piece's loss is divided by}
Interval = tuple[float, float]


def cover_other_text(groups: Sequence[Group], metric: Metric, averaged: Sequence[str]) -> None:
    """Set the intervals that also cover other text, of each row's mean and of its difference from the baseline.

    They stay None where a run lacks `test_pieces`, where runs were scored on other pieces, and for one seed.
    """
    if metric.name not in SIZES:
        return
    for group in groups:
        scores: dict[int, np.ndarray] = {}  # {id of a run: its linearised pieces}
        sizes = None
        for run in group.runs:
            if (found := read_pieces(run, metric)) is not None:
                sizes = found[1] if sizes is None else sizes
                if np.array_equal(found[1], sizes):
                    scores[id(run)] = linearise(*found)
        covered = [row for row in group.rows if all(id(run) in scores for run in row.runs)]
        by_run = partial(_look_up, scores)
        cells = {id(row): cells_of(row, by_run, averaged) for row in covered}
        for row in covered:
            row.mean_with_text = interval(list(_mean_per_seed(row, scores)))
            if row.against is not None and id(row.against) in cells:
                ours, theirs = match(cells[id(row)], cells[id(row.against)], averaged)
                row.difference_with_text = interval([ours[s] - theirs[s] for s in sorted(ours.keys() & theirs.keys())])


def read_pieces(run: Run, metric: Metric) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the sums of losses and the sizes of the run's pieces, both (W,); None if it has none that can be used."""
    loss, tokens, size = (_read(run.part("test_pieces", key)) for key in ("loss", "tokens", SIZES[metric.name]))
    if loss is None or tokens is None or size is None or not len(loss) == len(tokens) == len(size) > 1:
        return None
    if size.sum() <= 0:
        return None
    return loss * tokens / (math.log(2) if metric.name == "test.bits_per_byte" else 1), size


def _read(values: Any) -> np.ndarray | None:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.ndim == 1 and np.isfinite(found).all() else None


def linearise(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return each piece's share of the ratio R = Σ sums / Σ sizes, (W,); their mean is R."""
    ratio = sums.sum() / sizes.sum()
    shares: np.ndarray = ratio + (sums - ratio * sizes) * (len(sums) / sizes.sum())
    return shares


def _look_up(scores: dict[int, np.ndarray], run: Run) -> np.ndarray | None:
    return scores.get(id(run))


def _mean_per_seed(row: Row, scores: dict[int, np.ndarray]) -> Iterator[np.ndarray]:
    for seed in sorted({run.seed for run in row.runs}):
        yield np.mean([scores[id(run)] for run in row.runs if run.seed == seed], axis=0)


def interval(scores: Sequence[np.ndarray]) -> Interval | None:
    """Return the 95 % interval of the mean of `scores` (S seeds, each (W,)); None for one seed."""
    if len(scores) < 2:
        return None
    u = np.stack(scores)
    (S, W), mean = u.shape, u.mean()
    by_seed, by_text = u.mean(1) - mean, u.mean(0) - mean
    rest = u - mean - by_seed[:, None] - by_text
    ms_seed = W * float((by_seed**2).sum()) / (S - 1)
    ms_text = S * float((by_text**2).sum()) / (W - 1)
    ms_rest = float((rest**2).sum()) / ((S - 1) * (W - 1))
    half_seed = float(stdtrit(S - 1, 1 - LEVEL / 2)) * math.sqrt(ms_seed / (S * W))
    half_text = float(stdtrit(W - 1, 1 - LEVEL / 2)) * math.sqrt(max(0.0, ms_text - ms_rest) / (S * W))
    half = math.hypot(half_seed, half_text)
    return float(mean) - half, float(mean) + half
