"""Means, differences, p-values, and how many more seeds would decide. One seed is one sample in all of them.

Only `scipy.special` is imported (0.1 s), not `scipy.stats` (0.7 s); the tests compare every number with scipy.stats.
Sources: Student (1908) for t; Welch (1947), "The generalization of Student's problem", with Satterthwaite's degrees of
freedom; Holm (1979), "A simple sequentially rejective multiple test procedure"; power by the noncentral t,
Cohen (1988), "Statistical Power Analysis", chapter 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import nctdtr, stdtr, stdtrit

LEVEL = 0.05  # significance level of every test; intervals cover 1 - LEVEL
POWER = 0.8
MOST_SEEDS = 100  # more further seeds than this are reported as "more than 100"
NO_SPREAD = 1e-12  # a standard deviation below this share of the values is a rounding error


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of n values with its 95 % interval; low and high are None for one value."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Setting minus baseline. `p` is None if nothing can be tested: one seed, or seeds without any spread."""

    method: str  # paired, welch or single
    n: int  # pairs, or seeds of the side that has fewer
    mean: float
    low: float | None
    high: float | None
    p: float | None
    error_sd: float | None  # spread of one more seed: sd of the pairs, or sqrt(s1^2 + s2^2)


def mean(values: Sequence[float]) -> Mean:
    """Return m ± t(0.975, n - 1) · s / sqrt(n), with n - 1 in the denominator of s² (Student 1908)."""
    n = len(values)
    m, sd = _mean_and_sd(values)
    if sd is None:
        return Mean(n, m, None, None, None)
    half = float(stdtrit(n - 1, 1 - LEVEL / 2)) * sd / math.sqrt(n)
    return Mean(n, m, sd, m - half, m + half)


def difference(setting: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Return setting minus baseline from {seed: value}: paired over shared seeds, Welch if fewer than two are shared.

    A pair shares data order and initial weights, so the effect of the seed on both cancels. None if a side is empty.
    """
    shared = sorted(setting.keys() & baseline.keys())
    if len(shared) >= 2:
        return paired([setting[seed] for seed in shared], [baseline[seed] for seed in shared])
    if len(setting) >= 2 and len(baseline) >= 2:
        return welch(list(setting.values()), list(baseline.values()))
    if not setting or not baseline:
        return None
    ours, theirs = ([setting[shared[0]]], [baseline[shared[0]]]) if shared else (setting.values(), baseline.values())
    gap = _mean_and_sd(list(ours))[0] - _mean_and_sd(list(theirs))[0]
    return Difference("single", 1, gap, None, None, None, None)


def paired(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Test the n differences d = a - b by Student's t = mean(d) / (s_d / sqrt(n)), n - 1 degrees of freedom."""
    gaps = [x - y for x, y in zip(a, b, strict=True)]
    gap, sd = _mean_and_sd(gaps)
    assert sd is not None, "a paired test needs two pairs"
    scale = max(map(abs, [*a, *b]))
    return _test("paired", len(gaps), gap, sd / math.sqrt(len(gaps)), len(gaps) - 1, sd, scale)


def welch(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Test by t = (mean(a) - mean(b)) / sqrt(u + v), u = s_a²/n_a, v = s_b²/n_b (Welch 1947).

    Satterthwaite's degrees of freedom: (u + v)² / (u²/(n_a - 1) + v²/(n_b - 1)).
    """
    (mean_a, sd_a), (mean_b, sd_b) = _mean_and_sd(a), _mean_and_sd(b)
    assert sd_a is not None, "Welch's test needs two values on each side"
    assert sd_b is not None, "Welch's test needs two values on each side"
    u, v = sd_a**2 / len(a), sd_b**2 / len(b)
    below = u**2 / (len(a) - 1) + v**2 / (len(b) - 1)
    df = (u + v) ** 2 / below if below > 0 else len(a) + len(b) - 2
    scale = max(map(abs, [*a, *b]))
    n = min(len(a), len(b))
    return _test("welch", n, mean_a - mean_b, math.sqrt(u + v), df, math.hypot(sd_a, sd_b), scale)


def _test(method: str, n: int, gap: float, error: float, df: float, sd: float, scale: float) -> Difference:
    if sd <= NO_SPREAD * scale:  # all seeds agree: t is undefined, and p = 1 only for a tie
        return Difference(method, n, gap, gap, gap, 1.0 if abs(gap) <= NO_SPREAD * scale else None, 0.0)
    half = float(stdtrit(df, 1 - LEVEL / 2)) * error
    p = 2 * float(stdtr(df, -abs(gap) / error))
    return Difference(method, n, gap, gap - half, gap + half, p, sd)


def holm(p_values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """Return corrected p-values in the given order: p(k) · (m - k + 1) by rank, monotone, at most 1 (Holm 1979).

    If they are compared with LEVEL, the probability of any false alarm is at most LEVEL, however the tests depend.
    `comparisons` is m, where these p-values were chosen from more tests than are given.
    """
    m = len(p_values) if comparisons is None else comparisons
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[index] * (m - rank)))
        corrected[index] = largest
    return corrected


def power(method: str, n: int, gap: float, sd: float, level: float) -> float:
    """Return the power of the two-sided t-test with n seeds (on each side): noncentral t with gap · sqrt(n) / sd.

    For Welch, sd is sqrt(s1² + s2²) and the degrees of freedom are those of equal spreads, 2(n - 1).
    """
    df = n - 1 if method == "paired" else 2 * (n - 1)
    critical = float(stdtrit(df, 1 - level / 2))
    shift = abs(gap) * math.sqrt(n) / sd
    return 1 - _noncentral_t(df, shift, critical) + _noncentral_t(df, shift, -critical)


def _noncentral_t(df: float, shift: float, t: float) -> float:
    """Return the distribution function of the noncentral t; 0 if it is so small that nctdtr returns NaN."""
    probability = float(nctdtr(df, shift, t))
    return 0.0 if math.isnan(probability) else probability


def estimate_more_seeds(found: Difference, level: float = LEVEL) -> int | None:
    """Estimate how many more seeds decide at 80 % power, if the observed difference and spread are the true ones.

    MOST_SEEDS + 1 means more than MOST_SEEDS; None if the spread is unknown. From few seeds the estimate is rough.
    """
    if found.p is None or found.error_sd is None:
        return None
    if found.error_sd == 0 or found.mean == 0:  # a tie stays a tie
        return MOST_SEEDS + 1
    low, high = (
        found.n,
        found.n + MOST_SEEDS + 1,
    )  # power(low) is too small or unknown, power(high) is enough or not searched
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(found.method, middle, found.mean, found.error_sd, level) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high - found.n


def _mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (n - 1 in the denominator), which is None for one value."""
    n = len(values)
    m = math.fsum(values) / n
    if n < 2:
        return m, None
    return m, math.sqrt(math.fsum((value - m) ** 2 for value in values) / (n - 1))
