"""Intervals over seeds and text, against simulated sweeps whose answers are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from embedlab.compare import statistics
from embedlab.compare.comparison import compare
from embedlab.compare.finished_run import Run
from embedlab.compare.text_spread import interval, linearise
from tests.compare import synthetic

S, W = 4, 60  # seeds, pieces


def simulate(rng: np.random.Generator, seed_sd: float, text_sd: float, rest_sd: float = 0.3) -> np.ndarray:
    """Return u (S, W) of a model whose true mean is 0."""
    parts = rng.normal(0, seed_sd, (S, 1)), rng.normal(0, text_sd, W), rng.normal(0, rest_sd, (S, W))
    return parts[0] + parts[1] + parts[2]


@pytest.mark.parametrize(("seed_sd", "text_sd"), [(0.05, 0.0), (0.05, 0.5), (0.0, 0.5), (0.2, 0.5), (0.0, 0.0)])
def test_the_interval_covers_the_true_mean_in_95_of_100_sweeps(seed_sd: float, text_sd: float) -> None:
    """Bounds of the binomial distribution, once in a million; sums of two intervals may cover a little more."""
    rng, sweeps = np.random.default_rng(7), 2000
    covered = 0
    for _ in range(sweeps):
        low, high = interval(list(simulate(rng, seed_sd, text_sd))) or (0, 0)
        covered += low <= 0 <= high
    assert covered >= stats.binom.ppf(1e-6, sweeps, 0.95)
    assert covered <= stats.binom.ppf(1 - 1e-6, sweeps, 0.985)


def test_the_seeds_alone_do_not_cover_other_text() -> None:
    rng, sweeps = np.random.default_rng(8), 1000
    over_seeds = [statistics.mean(simulate(rng, 0.02, 0.5).mean(1).tolist()) for _ in range(sweeps)]
    covered = sum((found.low or 0) <= 0 <= (found.high or 0) for found in over_seeds)
    assert covered < 0.8 * sweeps


def test_it_is_never_narrower_than_the_interval_over_seeds_and_is_that_without_an_effect_of_the_text() -> None:
    rng = np.random.default_rng(9)
    for text_sd in (0.0, 0.1, 1.0):
        u = simulate(rng, 0.1, text_sd)
        low, high = interval(list(u)) or (0, 0)
        seeds = statistics.mean(u.mean(1).tolist())
        assert seeds.low is not None and seeds.high is not None
        assert low <= seeds.low + 1e-12 and high >= seeds.high - 1e-12
    flat = np.arange(S)[:, None] + np.tile([1.0, -1.0], (S, W // 2)) * np.array([1, -1, 1, -1])[:, None]
    seeds = statistics.mean(flat.mean(1).tolist())
    assert interval(list(flat)) == pytest.approx((seeds.low, seeds.high))


def test_a_ratio_over_unequal_pieces() -> None:
    """The spread of Σ nats / Σ bytes over simulated texts is the linearised pieces' standard error."""
    rng, texts = np.random.default_rng(10), 3000
    ratios, errors = [], []
    for _ in range(texts):
        sizes = rng.integers(5, 200, W).astype(float)
        sums = sizes * (2.0 + rng.normal(0, 0.4, W)) + rng.normal(0, 3, W)
        shares = linearise(sums, sizes)
        assert shares.mean() == pytest.approx(sums.sum() / sizes.sum())
        ratios.append(shares.mean())
        errors.append(shares.var(ddof=1) / W)
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(ratios), rel=0.06)


def with_pieces(scheme: str, seed: int, shift: float, text: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
    """Return results whose pieces have the text's effect in common, and whose score is what the pieces add up to."""
    rng = np.random.default_rng([seed, len(scheme)])
    loss = 2.0 + shift + text + rng.normal(0, 0.05, len(text)) + rng.normal(0, 0.02)
    bits = float((loss * sizes).sum() / np.log(2) / sizes.sum())
    found = synthetic.results(scheme, seed, bits=bits)
    pieces = {"unit": "window", "loss": loss.tolist(), "tokens": sizes.tolist(), "bytes": sizes.tolist()}
    return found | {"test_pieces": pieces}


def test_a_comparison_reports_both_intervals(runs_of: Callable[..., list[Run]]) -> None:
    rng = np.random.default_rng(11)
    text, sizes = rng.normal(0, 0.5, W), rng.integers(20, 64, W)
    each = [
        with_pieces(name, seed, shift, text, sizes)
        for name, shift in (("none", 0.3), ("rotary", 0))
        for seed in (1, 2, 3)
    ]
    rotary, none = compare(runs_of(*each)).rows
    for row in (rotary, none):
        assert row.mean_with_text is not None and row.mean.low is not None and row.mean.high is not None
        assert np.mean(row.mean_with_text) == pytest.approx(row.mean.mean)
        assert row.mean_with_text[1] - row.mean_with_text[0] > 1.5 * (row.mean.high - row.mean.low)
    gap = rotary.difference
    assert gap is not None and gap.low is not None and gap.high is not None and rotary.difference_with_text is not None
    assert np.mean(rotary.difference_with_text) == pytest.approx(gap.mean)
    # the text's effect is the same for both schemes, so it cancels in the difference
    assert rotary.difference_with_text[1] - rotary.difference_with_text[0] < 1.2 * (gap.high - gap.low)


def test_runs_without_pieces_or_on_other_pieces_have_one_interval(runs_of: Callable[..., list[Run]]) -> None:
    text, sizes = np.zeros(W), np.full(W, 50)
    each = [with_pieces("none", seed, 0.3, text, sizes) for seed in (1, 2)]
    each += [with_pieces("rotary", seed, 0.0, text, sizes + (seed == 2)) for seed in (1, 2)]
    each += [synthetic.results("alibi", seed) | {"test_pieces": None} for seed in (1, 2)]
    broken = [with_pieces("shaw", seed, 0.0, text, sizes) for seed in (1, 2)]
    broken[0]["test_pieces"]["loss"][3] = None
    broken[1]["test_pieces"]["loss"] = "x"
    found = {row.label: row for row in compare(runs_of(*each, *broken)).rows}
    assert found["none"].mean_with_text is not None
    assert [found[name].mean_with_text for name in ("rotary", "alibi", "shaw")] == [None] * 3
    assert [row.difference_with_text for row in found.values()] == [None] * 4
