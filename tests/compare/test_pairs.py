"""All pairs of settings: Holm over all of them, letters that say the same, and both in the files."""

import csv
import json
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from embedlab.compare import pairs, statistics
from embedlab.compare.__main__ import FINE, main
from embedlab.compare.comparison import Comparison
from embedlab.compare.letters import assign_letters
from tests.compare import synthetic

VALUES = {
    "rotary": [2.70, 2.74, 2.71, 2.73],
    "shaw": [2.75, 2.74, 2.76, 2.71],
    "alibi": [3.01, 3.06, 3.00, 3.05],
    "none": [3.51, 3.55, 3.49, 3.56],
}


def test_every_pair_as_scipy_tests_it_with_holm_over_all(compared: Callable[..., Comparison]) -> None:
    (group,) = compared(VALUES).groups
    assert {frozenset((pair.a.label, pair.b.label)) for pair in group.pairs} == {
        frozenset(two) for two in combinations(VALUES, 2)
    }
    expected = [stats.ttest_rel(VALUES[pair.a.label], VALUES[pair.b.label]) for pair in group.pairs]
    assert [pair.difference.p for pair in group.pairs] == pytest.approx([found.pvalue for found in expected])
    order = sorted(expected, key=lambda found: found.pvalue)
    stepped = [found.pvalue * (6 - rank) for rank, found in enumerate(order)]
    corrected = [min(1, max(stepped[: i + 1])) for i in range(6)]
    assert sorted(pair.p or 0 for pair in group.pairs) == pytest.approx(corrected)
    for pair, found in zip(group.pairs, expected, strict=True):
        interval = found.confidence_interval(0.95)
        assert (pair.difference.low, pair.difference.high) == pytest.approx((interval.low, interval.high))
        assert pair.a.mean.mean <= pair.b.mean.mean


def test_rows_that_share_a_letter_are_those_not_told_apart(compared: Callable[..., Comparison]) -> None:
    (group,) = compared(VALUES).groups
    assert {row.label: row.letters for row in group.rows} == {"rotary": "a", "shaw": "a", "alibi": "b", "none": "c"}
    for pair in group.pairs:
        assert bool(set(pair.a.letters) & set(pair.b.letters)) != pair.told_apart


def test_one_seed_tells_nothing_apart_and_gives_no_letters(compared: Callable[..., Comparison]) -> None:
    (group,) = compared({"rotary": [2.7], "none": [3.5]}).groups
    (pair,) = group.pairs
    assert pair.p is None and pair.difference.mean == pytest.approx(-0.8)
    assert [row.letters for row in group.rows] == ["", ""]


def cliques(n: int, apart: set[tuple[int, int]]) -> set[frozenset[int]]:
    """Return the largest sets without a pair told apart, by trying every set."""
    sets = [frozenset(i for i in range(n) if bits >> i & 1) for bits in range(1, 1 << n)]
    free = [found for found in sets if not any(i in found and j in found for i, j in apart)]
    return {found for found in free if not any(found < other for other in free)}


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(range(n * n))))))
def test_letters_are_the_largest_sets_that_cannot_be_told_apart(case: tuple[int, set[int]]) -> None:
    n, codes = case
    apart = {(code // n, code % n) for code in codes if code // n < code % n}
    letters = assign_letters(n, sorted(apart))
    assert letters is not None
    names = sorted(set("".join(letters)))
    assert {frozenset(i for i in range(n) if name in letters[i]) for name in names} == cliques(n, apart)
    assert letters[0].startswith("a"), "letters begin at the best"


def test_letters_in_a_chain_and_too_many_of_them() -> None:
    assert assign_letters(5, [(i, j) for i, j in combinations(range(5), 2) if j - i > 1]) == [
        "a",
        "ab",
        "bc",
        "cd",
        "d",
    ]
    assert assign_letters(3, []) == ["a", "a", "a"]
    # 13 pairs of twins: any choice of one from each pair is a set, 8,192 of them
    assert assign_letters(26, [(2 * i, 2 * i + 1) for i in range(13)]) is None


def test_equal_schemes_are_told_apart_by_chance_in_at_most_five_sweeps_of_a_hundred() -> None:
    """The bound is that of the binomial distribution: a correct test exceeds it once in a million."""
    rng, sweeps, schemes = random.Random(5), 1500, 5
    alarms = 0
    for _ in range(sweeps):
        effect = [rng.gauss(0, 1) for _ in range(4)]
        each = [[effect[seed] + rng.gauss(0, 0.3) for seed in range(4)] for _ in range(schemes)]
        found = [statistics.paired(a, b).p for a, b in combinations(each, 2)]
        alarms += min(statistics.holm(found)) < statistics.LEVEL
    assert 0.005 * sweeps < alarms <= stats.binom.ppf(1 - 1e-6, sweeps, 0.05)


def test_pairs_beyond_the_best_still_count_as_comparisons(
    compared: Callable[..., Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "MOST_PAIRED", 2)
    (best,) = compared(dict(list(VALUES.items())[1:])).groups[0].pairs
    assert (best.a.label, best.b.label) == ("shaw", "alibi")
    assert best.p == pytest.approx(3 * best.difference.p)


def test_pairs_and_letters_are_in_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", ["none", "rotary", "alibi", "shaw"], seeds=4)
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == FINE
    whole = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {"a", "b", "difference", "low", "high", "p"} <= set(whole["pairs"][0])
    letters = {row["setting"]: row["letters"] for row in whole["rows"]}
    means = {row["setting"]: row["mean"] for row in whole["rows"]}
    assert len(whole["pairs"]) == 6
    for pair in whole["pairs"]:
        assert pair["difference"] == pytest.approx(means[pair["a"]] - means[pair["b"]])
        assert (pair["p"] < whole["level"]) == (not set(letters[pair["a"]]) & set(letters[pair["b"]]))
    with open(tmp_path / "out" / "pairs.csv", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert [(row["a"], row["b"], float(row["p"])) for row in sheet] == [
        (pair["a"], pair["b"], pair["p"]) for pair in whole["pairs"]
    ]
    with open(tmp_path / "out" / "comparison.csv", newline="") as file:
        assert {row["setting"]: row["letters"] for row in csv.DictReader(file)} == letters
    apart = sum(pair["told_apart"] for pair in whole["pairs"])
    assert f"Of all 6 pairs, at 5 % over all pairs, {apart} are told apart" in capsys.readouterr().out
    assert "| letters |" in (tmp_path / "out" / "comparison.md").read_text()
    assert ">letters<" in (tmp_path / "out" / "report.html").read_text()
    assert "pairs.svg" in whole["figures"]


def test_a_user_s_pairs_csv_beside_an_older_comparison_is_never_overwritten(tmp_path: Path) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", ["none", "rotary"], seeds=2)
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == FINE
    whole = json.loads((tmp_path / "out" / "comparison.json").read_text())
    del whole["files"]  # as version 0.2.0 wrote it
    (tmp_path / "out" / "comparison.json").write_text(json.dumps(whole))
    (tmp_path / "out" / "pairs.csv").write_text("mine")
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == 2
    assert (tmp_path / "out" / "pairs.csv").read_text() == "mine"
    (tmp_path / "out" / "pairs.csv").unlink()
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == FINE
