"""Settings whose seeds disagree far more than those of the other settings: their mean describes no single run.

A row's variance s² is compared with the median variance of the rows, which a few unstable ones cannot raise. Seeds of
equal spread give s² · (n - 1) / σ² ~ chi²(n - 1), whose median is known, so median(s²) estimates σ². The ratio is
referred to the F distribution; a median is about half as efficient as a mean (0.64 for many degrees of freedom, less
for few), so half the degrees of freedom of the other rows are counted. p-values are corrected by Holm over rows; a
simulation checks that equal rows raise an alarm in at most 5 of 100 sweeps.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from scipy.special import chdtri, fdtrc

from embedlab.compare.rows import Group, Row
from embedlab.compare.statistics import LEVEL, holm
from embedlab.compare.wording import join_words

LEAST_ROWS, LEAST_SEEDS = 5, 3  # with fewer, there is no usual spread to compare with


def find_unstable(group: Group) -> list[Row]:
    """Return the rows whose seeds spread beyond chance more than those of the other rows."""
    rows = [row for row in group.rows if row.mean.n >= LEAST_SEEDS and row.mean.sd is not None]
    if len(rows) < LEAST_ROWS:
        return []
    p_values = spread_p_values([(row.mean.sd or 0.0, row.mean.n) for row in rows])
    return [row for row, p in zip(rows, holm(p_values), strict=True) if p < LEVEL]


def spread_p_values(spreads: Sequence[tuple[float, int]]) -> list[float]:
    """Return a p-value for each (standard deviation, seeds): is it larger than the usual one?"""
    usual = median(sd**2 * (n - 1) / float(chdtri(n - 1, 0.5)) for sd, n in spreads)
    df = sum(n - 1 for _, n in spreads)
    return [
        float(fdtrc(n - 1, (df - (n - 1)) / 2, sd**2 / usual)) if usual > 0 else float(sd == 0) for sd, n in spreads
    ]


def describe_seeds(row: Row, decimals: int) -> str:
    """Return the values with their seeds, in two groups if a gap parts them.

    `2.90, 2.98 (seeds 1, 3) and 3.28, 3.34 (seeds 4, 2)`
    """
    parts = ["{} ({} {})".format(*_values(part, decimals)) for part in _split_at_gap(row)]
    return join_words(parts)


def _values(part: Sequence[tuple[float, int]], decimals: int) -> Iterator[str]:
    yield ", ".join(f"{value:.{decimals}f}" for value, _ in part)
    yield "seeds" if len(part) > 1 else "seed"
    yield ", ".join(str(seed) for _, seed in part)


def _split_at_gap(row: Row) -> list[list[tuple[float, int]]]:
    """Return (value, seed) by size, cut at the largest gap if it is half of the range or more."""
    found = sorted((value, seed) for seed, value in row.by_seed.items())
    gap, at = max((found[i][0] - found[i - 1][0], i) for i in range(1, len(found)))
    return [found[:at], found[at:]] if gap >= (found[-1][0] - found[0][0]) / 2 else [found]
