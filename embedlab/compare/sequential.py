"""Decide, seed by seed, which settings differ from the baseline: after 3, 5, 8 and 12 seeds, at 5 % over all looks.

Looking several times at growing data finds a difference by chance more often than one look does, so the 5 % are
divided: by Bonferroni over the K looks, and by Holm over the settings that are still open. The open settings are taken
in the order of their p, smallest first, rank = 0, 1, …; each is decided, up to the first that is not, if

    K · (m − rank) · p < 0.05

with m open settings and p of Student's paired t-test on the seeds seen so far. A decision stays, and its share passes
to the others: the closed test of Maurer and Bretz (2013), "Multiple testing in group sequential trials using graphical
approaches", Statistics in Biopharmaceutical Research 5(4), with equal weights. The probability of any false alarm over
all looks and settings is at most 5 %, however the tests depend.

Example: with 4 looks and 2 open settings, p = 0.004 at the first look decides (4 · 2 · 0.004 = 0.032), and p = 0.01 of
the other one does too, since it is alone then (4 · 1 · 0.01 = 0.04).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedlab.compare.statistics import LEVEL, holm, paired


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known about a setting after its last look."""

    seeds: int  # at that look
    p: float | None  # corrected for looks and settings: compare it with LEVEL; None if nothing could be tested
    decided: bool


def decide(gaps: Mapping[str, Sequence[float]], looks: Sequence[int]) -> dict[str, Decision]:
    """Return the decision on each setting from its paired differences from the baseline, in the order of the seeds.

    Looks are repeated in their order with the seeds that each one had, so the answer is the one that was given then.
    A setting with fewer seeds than a look needs is not tested there, but still counts among the open ones.
    """
    found = {name: Decision(0, None, False) for name in gaps}
    for seeds in looks:
        still_open = [name for name in gaps if not found[name].decided]
        p_values = [_p(gaps[name], seeds) for name in still_open]
        corrected = holm([1.0 if p is None else p for p in p_values])
        for name, p, over_settings in zip(still_open, p_values, corrected, strict=True):
            if len(gaps[name]) >= seeds:
                over_looks = None if p is None else min(1.0, len(looks) * over_settings)
                found[name] = Decision(seeds, over_looks, over_looks is not None and over_looks < LEVEL)
    return found


def next_look(seeds: int, decided: bool, looks: Sequence[int]) -> int:
    """Return the seeds of a setting's next look after the one at `seeds`; `seeds` if it is decided or has had the last.

    >>> next_look(3, False, (3, 5)), next_look(3, True, (3, 5)), next_look(5, False, (3, 5))
    (5, 3, 5)
    """
    return seeds if decided else next((n for n in looks if n > seeds), seeds)


def _p(gaps: Sequence[float], seeds: int) -> float | None:
    """Return p of the paired t-test on the first `seeds` differences; None if there are fewer, or no spread."""
    if len(gaps) < seeds:
        return None
    return paired(gaps[:seeds], [0.0] * seeds).p
