"""Compare every number with scipy.stats, and the corrected tests with simulated sweeps whose answers are known."""

import math
import random
from statistics import stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from embedlab.compare import statistics

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def spread(values: list[float]) -> bool:
    return len(set(values)) > 1


@given(st.lists(FINITE, min_size=2, max_size=9).filter(spread))
def test_mean_has_the_interval_of_scipy(values: list[float]) -> None:
    found = statistics.mean(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=stats.tmean(values), scale=stats.sem(values))
    assert found.mean == pytest.approx(stats.tmean(values), rel=1e-9, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


def test_one_seed_has_no_interval_and_no_p_value() -> None:
    assert statistics.mean([2.5]) == statistics.Mean(1, 2.5, None, None, None)
    found = statistics.difference({1: 2.0}, {1: 2.5})
    assert found == statistics.Difference("single", 1, -0.5, None, None, None, None)
    assert statistics.estimate_more_seeds(found) is None


@given(st.lists(st.tuples(FINITE, FINITE), min_size=3, max_size=9))
def test_shared_seeds_are_paired_as_scipy_does(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = ({seed: pair[side] for seed, pair in enumerate(pairs)} for side in (0, 1))
    gaps = [a - b for a, b in pairs]
    if stdev(gaps) < 1e-6 * max(1.0, *map(abs, gaps), *ours.values()):
        return
    found = statistics.difference(ours, theirs)
    expected = stats.ttest_rel(list(ours.values()), list(theirs.values()))
    assert found is not None
    assert found.method == "paired"
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-5, abs=1e-5)


@given(st.lists(FINITE, min_size=2, max_size=6), st.lists(FINITE, min_size=2, max_size=9))
def test_unshared_seeds_use_welchs_test_as_scipy_does(a: list[float], b: list[float]) -> None:
    if min(stdev(a), stdev(b)) < 1e-3:
        return
    found = statistics.difference(dict(enumerate(a)), dict(enumerate(b, 100)))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert found is not None
    assert found.method == "welch"
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-5, abs=1e-5)


def test_unshared_seeds_are_in_no_pair() -> None:
    found = statistics.difference({1: 1.0, 2: 2.0, 3: 3.0, 9: 99.0}, {1: 0.5, 2: 1.0, 3: 2.5, 8: -99.0})
    expected = stats.ttest_rel([1.0, 2.0, 3.0], [0.5, 1.0, 2.5])
    assert found is not None
    assert found.n == 3
    assert found.p == pytest.approx(expected.pvalue)


def test_ties_and_differences_without_spread() -> None:
    tie = statistics.paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (tie.mean, tie.p) == (0, 1.0)
    assert statistics.estimate_more_seeds(tie) == statistics.MOST_SEEDS + 1
    flat = statistics.paired([1.1, 2.1, 3.1], [1.0, 2.0, 3.0])
    assert flat.mean == pytest.approx(0.1)
    assert flat.p is None  # nothing to test against: no p-value of 0 is claimed
    both = statistics.welch([5.0, 5.0], [5.0, 5.0])
    assert both.p == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_against_its_definition(p_values: list[float]) -> None:
    """Holm (1979): take p-values by size, and stop rejecting at the first p(k) > level / (m - k + 1)."""
    corrected = statistics.holm(p_values)
    for level in (0.001, 0.05, 0.3):
        rejected, m = set(), len(p_values)
        for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
            if p_values[index] * (m - rank) > level:
                break
            rejected.add(index)
        assert rejected == {index for index, p in enumerate(corrected) if p <= level}
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))


def test_holm_on_a_worked_example() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


@pytest.mark.parametrize(("method", "n", "gap"), [("paired", 5, 1.0), ("paired", 3, 2.5), ("welch", 4, 2.0)])
def test_power_against_simulation(method: str, n: int, gap: float) -> None:
    """The share of 4,000 simulated sweeps that find the gap is within 4 standard errors of the power."""
    rng, sweeps = random.Random(1), 4000
    sd = 1.0 if method == "paired" else math.sqrt(2)
    found = 0
    for _ in range(sweeps):
        a = [rng.gauss(gap, 1) for _ in range(n)]
        test = (
            statistics.paired(a, [0.0] * n) if method == "paired" else statistics.welch(a, [rng.gauss(0, 1) for _ in a])
        )
        assert test.p is not None
        found += test.p < 0.05
    expected = statistics.power(method, n, gap, sd, 0.05)
    # Welch's degrees of freedom are estimated, so it is a little weaker than the equal-spread formula at n = 4
    slack = 0.03 if method == "welch" else 0.0
    assert abs(found / sweeps - expected) < 4 * math.sqrt(expected * (1 - expected) / sweeps) + slack


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=8), st.floats(0.001, 0.05))
def test_more_seeds_is_the_first_number_with_enough_power(gaps: list[float], level: float) -> None:
    found = statistics.paired(gaps, [0.0] * len(gaps))
    if found.p is None or found.error_sd == 0 or found.p < level or found.mean == 0:
        return
    assert found.error_sd is not None
    seeds = statistics.estimate_more_seeds(found, level)
    powers = {
        more: statistics.power("paired", found.n + more, found.mean, found.error_sd, level)
        for more in range(1, statistics.MOST_SEEDS + 1)
    }
    enough = [more for more, power in powers.items() if power >= statistics.POWER]
    assert seeds == (enough[0] if enough else statistics.MOST_SEEDS + 1)


def family_of_equals(rng: random.Random, schemes: int, seeds: int) -> list[float]:
    """Return p-values of schemes without any difference, each against one shared baseline with shared seeds."""
    effect = [rng.gauss(0, 1) for _ in range(seeds)]  # the effect of the seed on all
    base = [effect[seed] + rng.gauss(0, 0.3) for seed in range(seeds)]
    found = []
    for _ in range(schemes):
        other = [effect[seed] + rng.gauss(0, 0.3) for seed in range(seeds)]
        test = statistics.paired(other, base)
        assert test.p is not None
        found.append(test.p)
    return found


@pytest.mark.parametrize("schemes", [1, 8])
def test_equal_schemes_raise_a_false_alarm_in_about_five_sweeps_of_a_hundred(schemes: int) -> None:
    """The bounds are those of the binomial distribution: a correct test exceeds them once in a million.

    With a shared baseline the tests depend, so Holm's family-wise rate is below 5 %: only the upper bound is sharp.
    """
    rng, sweeps = random.Random(20), 3000
    families = [family_of_equals(rng, schemes, 3) for _ in range(sweeps)]
    alarms = sum(min(statistics.holm(family)) < statistics.LEVEL for family in families)
    assert alarms <= stats.binom.ppf(1 - 1e-6, sweeps, 0.05)
    if schemes == 1:
        assert alarms >= stats.binom.ppf(1e-6, sweeps, 0.05)
    else:
        assert alarms > 0.01 * sweeps  # corrected, but still able to reject
        uncorrected = sum(min(family) < statistics.LEVEL for family in families)
        assert uncorrected > stats.binom.ppf(1 - 1e-6, sweeps, 0.05)  # without Holm there would be too many


def test_a_planted_difference_is_found_as_often_as_the_power_says() -> None:
    rng, sweeps, gap = random.Random(3), 1000, 0.5
    found = 0
    for _ in range(sweeps):
        base = [rng.gauss(0, 0.1) for _ in range(3)]
        other = [value + gap + rng.gauss(0, 0.1) for value in base]
        test = statistics.paired(other, base)
        assert test.p is not None
        found += test.p < 0.05
    expected = statistics.power("paired", 3, gap, 0.1, 0.05)
    assert expected > 0.9
    assert abs(found / sweeps - expected) < 4 * math.sqrt(expected * (1 - expected) / sweeps)
