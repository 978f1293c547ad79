"""Looking several times: false alarms by simulation, planted differences, and decisions that stay."""

import numpy as np
import pytest
from scipy import stats

from embedlab.compare import sequential
from embedlab.compare.sequential import Decision

SWEEPS = 2000
LOOKS = (3, 5, 8, 12)  # the default of conf/hydra/sweeper
SETTINGS = 9


def decide(gaps: dict[str, list[float]]) -> dict[str, Decision]:
    return sequential.decide(gaps, LOOKS)


def next_look(gaps: dict[str, list[float]]) -> dict[str, int]:
    """Return the seeds of the next look of the settings that have one."""
    found = {
        name: (one.seeds, sequential.next_look(one.seeds, one.decided, LOOKS)) for name, one in decide(gaps).items()
    }
    return {name: after for name, (before, after) in found.items() if after > before}


def simulate(rng: np.random.Generator, effect: np.ndarray, spread: float = 0.05) -> dict[str, list[float]]:
    """Return differences of one sweep: every setting and the baseline draw their own noise for each seed."""
    baseline = rng.normal(0, spread, LOOKS[-1])
    scores = effect[:, None] + rng.normal(0, spread, (len(effect), LOOKS[-1]))
    return {str(i): list(row - baseline) for i, row in enumerate(scores)}


def test_any_false_alarm_in_equal_sweeps_has_at_most_five_percent() -> None:
    rng = np.random.default_rng(1)
    alarms = sum(any(one.decided for one in decide(simulate(rng, np.zeros(SETTINGS))).values()) for _ in range(SWEEPS))
    # at most 5 %: more than this many alarms would have a probability below 0.1 % if it were exactly 5 %
    assert alarms <= stats.binom.ppf(0.999, SWEEPS, 0.05)
    assert alarms > 0  # the test is not so strict that it never decides


def test_false_alarms_stay_rare_beside_real_differences() -> None:
    """Half of the settings differ for certain, so their share of the 5 % passes to the others."""
    rng = np.random.default_rng(2)
    effect = np.where(np.arange(SETTINGS) < 5, 5.0, 0.0)
    alarms = found = 0
    for _ in range(SWEEPS):
        decisions = decide(simulate(rng, effect))
        alarms += any(decisions[str(i)].decided for i in range(5, SETTINGS))
        found += sum(decisions[str(i)].decided for i in range(5))
    assert alarms <= stats.binom.ppf(0.999, SWEEPS, 0.05)
    assert found == 5 * SWEEPS


def test_planted_differences_are_found_and_seeds_are_saved() -> None:
    """Differences of 1 to 20 spreads, as between real schemes: nearly all are decided, with fewer than 12 seeds."""
    rng = np.random.default_rng(3)
    effect = 0.05 * np.geomspace(2.5, 20, SETTINGS)
    decisions = [one for _ in range(200) for one in decide(simulate(rng, effect)).values()]
    assert np.mean([one.decided for one in decisions]) > 0.95
    assert np.mean([one.seeds for one in decisions]) < 0.7 * LOOKS[-1]


@pytest.mark.parametrize("seeds", LOOKS)
def test_p_is_that_of_scipy_times_looks_and_rank(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    gaps = {"a": list(rng.normal(0.1, 1, seeds)), "b": list(rng.normal(0.3, 1, seeds))}
    raw = {name: stats.ttest_1samp(values, 0).pvalue for name, values in gaps.items()}
    first, second = sorted(raw, key=lambda name: raw[name])
    decisions = decide(gaps)
    assert decisions[first].p == pytest.approx(min(1, 4 * 2 * raw[first]))
    assert decisions[second].p == pytest.approx(min(1, max(4 * 2 * raw[first], 4 * raw[second])))
    assert decisions[first].seeds == decisions[second].seeds == seeds


def test_a_decision_stays_and_gives_its_share_to_the_others() -> None:
    clear = [1.0, 1.01, 0.99]
    later = [0.5, 0.52, 0.47, 0.5, 0.51]
    # after 3 seeds `clear` is decided; its later seeds, which contradict it, are not looked at
    decisions = decide({"clear": [*clear, -9.0, 9.0], "later": [0.9, -0.2, 0.5, 0.5, 0.5], "third": later})
    assert decisions["clear"] == Decision(3, decisions["clear"].p, True)
    alone = decide({"later": [0.9, -0.2, 0.5, 0.5, 0.5], "third": later})
    assert decisions["later"].seeds == 5 and decisions["third"].decided and alone["third"].decided


def test_next_look_names_what_is_open() -> None:
    gaps = {"clear": [1.0, 1.01, 0.99], "open": [0.1, -0.2, 0.3], "few": [1.0, 1.01]}
    assert next_look(gaps) == {"open": 5, "few": 3}
    assert next_look({"open": [0.1, -0.1] * 6}) == {}
    assert next_look({}) == {}


def test_seeds_without_spread_decide_nothing() -> None:
    assert decide({"same": [1.0] * 12}) == {"same": Decision(12, None, False)}
    assert decide({"tie": [0.0] * 3}) == {"tie": Decision(3, 1.0, False)}
