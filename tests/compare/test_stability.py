"""Settings whose seeds disagree: false alarms by simulation, and planted ones that are found."""

import random
from collections.abc import Callable

import pytest
from scipy import stats

from embedlab.compare import statistics
from embedlab.compare.comparison import Comparison
from embedlab.compare.stability import find_unstable, spread_p_values


@pytest.mark.parametrize(("rows", "seeds"), [(5, 3), (10, 4), (30, 5)])
def test_equal_spreads_raise_an_alarm_in_at_most_five_sweeps_of_a_hundred(rows: int, seeds: int) -> None:
    """The bound is that of the binomial distribution: a correct test exceeds it once in a million."""
    rng, sweeps = random.Random(2), 2000
    alarms = 0
    for _ in range(sweeps):
        spreads = [statistics.mean([rng.gauss(0, 1) for _ in range(seeds)]).sd or 0 for _ in range(rows)]
        alarms += min(statistics.holm(spread_p_values([(sd, seeds) for sd in spreads]))) < statistics.LEVEL
    assert 0.002 * sweeps < alarms <= stats.binom.ppf(1 - 1e-6, sweeps, 0.05)


def test_a_planted_unstable_setting_is_found_and_does_not_hide_another(compared: Callable[..., Comparison]) -> None:
    rng = random.Random(3)
    values = {f"s{i}": [3 + rng.gauss(0, 0.02) for _ in range(5)] for i in range(12)}
    values |= {"wild": [2.5, 3.5, 2.6, 3.4, 2.5], "wilder": [2.0, 4.0, 2.1, 3.9, 3.8]}
    assert {row.label for row in find_unstable(compared(values).groups[0])} == {"wild", "wilder"}
