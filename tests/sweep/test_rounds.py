"""`hydra.sweeper.until=decided`: which settings get further seeds, and when a sweep ends."""

import json
from pathlib import Path

import pytest

from embedlab.compare import reading
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.verdict import verdict
from embedlab.config.errors import UserError
from embedlab.runs.sweep_plan import find_looks, read_looks, write_plan
from embedlab.sweep.points import Point
from embedlab.sweep.rounds import check_rounds, first_round, next_round
from tests.compare import synthetic

LOOKS = (3, 5, 8)
NOISE = [0.03, -0.02, 0.01, -0.04, 0.02, 0.03, -0.01, -0.02]  # of a seed
ROTARY = [-0.001, 0.001, 0.0, 0.001, -0.001, 0.0, 0.001, -0.001]  # of a scheme far from none
T5 = [0.9, -0.5, 0.2, 0.3, -0.2, 0.6, -0.3, 0.1]  # of one that cannot be told from it
ALIBI = [0.06, -0.05, 0.02, 0.01, -0.02, 0.0, 0.02, -0.01]  # of one decided by its fifth seed
VALUES = {"none": [3.5] * 8, "rotary": ROTARY, "t5": T5, "alibi": ALIBI}
MEANS = {"none": 0.0, "rotary": 2.5, "t5": 3.5, "alibi": 3.3}


def bits(scheme: str, seed: int) -> float:
    return MEANS[scheme] + VALUES[scheme][seed - 1] + NOISE[seed - 1]


class Sweep:
    """A sweep whose jobs end at once, with known scores."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.points: list[Point] = []
        self.folders: list[Path] = []
        write_plan(top, LOOKS)

    def run(self, points: list[Point], failing: tuple[str, int] | None = None) -> None:
        for point in points:
            named = dict(override.split("=") for override in point)
            scheme, seed = named["position"], int(named["seed"])
            folder = self.top / ",".join(point)
            folder.mkdir()
            if (scheme, seed) != failing:
                found = synthetic.results(scheme, seed, bits=bits(scheme, seed))
                (folder / "results.json").write_text(json.dumps(found))
            self.points.append(point)
            self.folders.append(folder)

    def next(self) -> list[Point]:
        return next_round(self.points, self.folders, self.top, LOOKS)

    def compared(self) -> Comparison:
        return compare(*reading.read([str(self.top)]))


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def settings(points: list[Point]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for point in points:
        named = dict(override.split("=") for override in point)
        found.setdefault(named["position"], []).append(int(named["seed"]))
    return found


def test_only_open_settings_and_their_baseline_get_more_seeds(sweep: Sweep) -> None:
    points = [[f"position={scheme}", "seed=7"] for scheme in VALUES]  # an experiment's own seeds are replaced
    sweep.run(first := first_round(points, LOOKS))
    assert settings(first) == {scheme: [1, 2, 3] for scheme in VALUES}
    sweep.run(second := sweep.next())
    assert settings(second) == {"none": [4, 5], "t5": [4, 5], "alibi": [4, 5]}
    sweep.run(third := sweep.next())
    assert settings(third) == {"none": [6, 7, 8], "t5": [6, 7, 8]}
    assert sweep.next() == []

    comparison = sweep.compared()
    assert comparison.looks == LOOKS
    rows = {row.label: row for row in comparison.rows}
    assert (rows["rotary"].looked_at, rows["rotary"].decided) == (3, True)
    assert (rows["alibi"].looked_at, rows["alibi"].decided) == (5, True)
    assert (rows["t5"].looked_at, rows["t5"].decided) == (8, False)
    text = "\n".join(verdict(comparison, comparison.groups[0]))
    assert "decided at 3 seeds" in text and "decided at 5 seeds" in text
    assert "decided rotary at 3 seeds and alibi at 5 seeds" in text
    assert "16 runs besides the baseline's, 8 fewer than 8 seeds for each" in text


def test_the_same_decisions_from_the_results_alone(sweep: Sweep) -> None:
    points = [[f"position={scheme}"] for scheme in VALUES]
    sweep.run(first_round(points, LOOKS))
    rounds = []
    while more := sweep.next():
        assert sweep.next() == more  # an interrupted sweep that is rerun
        sweep.run(more)
        rounds.append(settings(more))
    assert len(rounds) == 2


def test_a_setting_with_a_failed_job_gets_no_more_seeds(sweep: Sweep) -> None:
    sweep.run(first_round([[f"position={scheme}"] for scheme in ("none", "t5")], LOOKS), failing=("t5", 2))
    assert sweep.next() == []


def test_one_setting_alone_ends_at_the_first_look(sweep: Sweep) -> None:
    sweep.run(first_round([["position=none"]], LOOKS))
    assert sweep.next() == []


def test_pairs_are_corrected_for_the_looks(sweep: Sweep) -> None:
    sweep.run(first_round([[f"position={scheme}"] for scheme in VALUES], LOOKS))
    planned = {(pair.a.label, pair.b.label): pair.p for pair in sweep.compared().groups[0].pairs}
    (sweep.top / "plan.json").unlink()
    free = {(pair.a.label, pair.b.label): pair.p for pair in sweep.compared().groups[0].pairs}
    assert {two: min(1, 3 * p) for two, p in free.items() if p} == pytest.approx(planned)


def test_a_comparison_with_other_runs_is_not_corrected_and_says_so(sweep: Sweep, tmp_path: Path) -> None:
    from embedlab.compare.fairness import find_unequal_treatment

    sweep.run(first_round([[f"position={scheme}"] for scheme in VALUES], LOOKS))
    (other := tmp_path.parent / "other" / "run").mkdir(parents=True)
    (other / "results.json").write_text(json.dumps(synthetic.results("none", 9)))
    comparison = compare(*reading.read([str(tmp_path), str(other)]))
    assert comparison.looks == ()
    assert any("until=decided" in note for note in find_unequal_treatment(comparison))


@pytest.mark.parametrize(
    ("until", "looks", "arguments", "message"),
    [
        ("decided", [3, 5], ["seed=1,2"], r"seed=1,2 with hydra.sweeper.until=decided, which chooses the seeds"),
        ("never", [3, 5], [], "hydra.sweeper.until=never does not exist: give decided"),
        ("decided", [5, 3], [], r"hydra.sweeper.looks=\[5,3\] are not growing"),
        ("decided", [1, 3], [], r"hydra.sweeper.looks=\[1,3\] are not growing"),
        ("decided", [], [], r"hydra.sweeper.looks=\[\] are not growing"),
        ("decided", [3.5], [], r"hydra.sweeper.looks=\[3.5\] are not growing"),
    ],
)
def test_wrong_plans_are_refused(until: str, looks: list[int], arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_rounds(until, looks, arguments)


def test_a_plan_stays_as_it_was_begun(tmp_path: Path) -> None:
    write_plan(tmp_path, LOOKS)
    write_plan(tmp_path, LOOKS)
    with pytest.raises(UserError, match=r"plan\.json plans looks at .* give sweep_name=ANOTHER"):
        write_plan(tmp_path, (3, 5))
    assert find_looks(tmp_path / "position=none") == LOOKS


@pytest.mark.parametrize("content", ["", "[]", "null", '{"looks": "3"}', '{"looks": [5, 3]}', '{"looks": [true]}'])
def test_a_foreign_plan_is_neither_believed_nor_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    assert read_looks(tmp_path) == ()
    with pytest.raises(UserError, match="belongs to another program"):
        write_plan(tmp_path, LOOKS)
    assert (tmp_path / "plan.json").read_text() == content
