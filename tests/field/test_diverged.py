"""A run whose loss is not a number is a result: it is finished, has no scores, and is listed as diverged."""

import csv
import json
import math
from pathlib import Path

import pytest

from embedlab.compare.comparison import compare
from embedlab.compare.reading import read
from embedlab.evaluate import main as evaluate
from embedlab.runs.measured import Measured, Scores
from embedlab.runs.results import write_results
from embedlab.training.diverged import UNMEASURED, null_if_diverged
from tests.compare.synthetic import results, sweep, write
from tests.field.forked import train_py
from tests.field.test_looking import strict

DIVERGED = {"step": 40, "loss": "nan"}
DIVERGING = ["optimizer.lr=1e30", "trainer.gradient_clip_val=null", "trainer.max_steps=40"]


@pytest.mark.slow
def test_alone_it_ends_with_status_1_and_a_result(field: list[str], tmp_path: Path) -> None:
    ended = train_py([*field, *DIVERGING, "hydra.run.dir=run"], tmp_path)
    assert ended.status == 1, ended.said
    (line,) = (line for line in ended.said.splitlines() if line.startswith("error: "))
    assert (
        "diverged: the loss is nan at step" in line and "optimizer.lr=1e+30" in line and "Traceback" not in ended.said
    )
    found = strict(tmp_path / "run" / "results.json")
    assert found["diverged"]["loss"] == "nan"
    assert 1 <= found["diverged"]["step"] < 40, "it stops at the next logging step"
    assert found["val"] == found["test"] == {"loss": None, "perplexity": None, "bits_per_byte": None}
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        assert not {"nan", "inf", "-inf"} & {cell for row in csv.reader(file) for cell in row}
    again = train_py(["resume=run"], tmp_path)
    assert again.status == 1 and "was finished before, skipped" in again.said and "diverged" in again.said
    with pytest.raises(SystemExit, match="has no scores: diverged"):
        evaluate([str(tmp_path / "run")])


@pytest.mark.slow
def test_in_a_sweep_it_is_finished_and_excluded(field: list[str], tmp_path: Path) -> None:
    command = [*field, "-m", "optimizer.lr=0.01,1e30", *DIVERGING[1:], "position=none"]
    first = train_py(command, tmp_path)
    assert first.status == 0, first.said
    assert "sweep of 2 jobs: 2 finished" in first.said
    assert "diverged: the loss is" in first.said
    second = train_py(command, tmp_path)
    assert second.status == 0 and "2 skipped" in second.said, second.said
    runs, _ = read([str(tmp_path / "outputs")])
    (left,) = compare(runs).excluded
    assert left.kind == "diverged" and "loss nan" in left.reason


@pytest.mark.slow
def test_a_huge_finite_loss_is_diverged_too(field: list[str], tmp_path: Path) -> None:
    """With this rate the loss stays a number, of some 10,000 nats, whose perplexity no float holds."""
    ended = train_py([*field, "optimizer.lr=100", "hydra.run.dir=run"], tmp_path)
    assert ended.status == 1, ended.said
    (line,) = (line for line in ended.said.splitlines() if line.startswith("error: "))
    assert "diverged: the loss is" in line and "optimizer.lr=100" in line and "Traceback" not in ended.said
    found = strict(tmp_path / "run" / "results.json")
    assert float(found["diverged"]["loss"]) > 700
    assert found["diverged"]["step"] == 3
    assert found["val"] == found["test"] == {"loss": None, "perplexity": None, "bits_per_byte": None}
    sweep = train_py([*field, "-m", "optimizer.lr=0.01,100", "position=none"], tmp_path)
    assert sweep.status == 0, sweep.said
    assert "sweep of 2 jobs: 2 finished" in sweep.said
    runs, _ = read([str(tmp_path / "outputs")])
    (left,) = compare(runs).excluded
    assert left.kind == "diverged" and left.reason.startswith("diverged at step 3 (loss ")


@pytest.mark.slow
def test_two_processes_diverge_together(field: list[str], tmp_path: Path) -> None:
    ended = train_py([*field, *DIVERGING, "trainer.devices=2", "hydra.run.dir=run"], tmp_path)
    assert ended.status == 1, ended.said
    assert "diverged: the loss is nan at step" in ended.said and "Traceback" not in ended.said
    found = strict(tmp_path / "run" / "results.json")
    assert found["diverged"]["loss"] == "nan" and found["test"]["loss"] is None


def measured(loss: float) -> Measured:
    score: Scores = {"loss": loss, "perplexity": math.exp(loss) if loss < 700 else math.inf, "bits_per_byte": loss}
    return {**UNMEASURED, "val": score, "test": score}


@pytest.mark.parametrize(
    ("loss", "before", "diverged"),
    [
        (5.0, 4.0, None),  # worse than before, but a score
        (900.0, 1000.0, None),  # as wide models with large vectors are at first
        (1000.0, 1000.0, None),  # trainer.max_steps=0
        (1e6, 5.5, "1e+06"),
        (math.inf, math.inf, "inf"),
        (math.nan, 5.5, "nan"),
    ],
)
def test_what_is_diverged(loss: float, before: float, diverged: str | None) -> None:
    found = null_if_diverged(measured(loss), 7, lambda: measured(before))
    assert found.get("diverged") == (None if diverged is None else {"step": 7, "loss": diverged})
    assert (found["val"]["loss"] is None) == (diverged is not None)


def test_the_comparison_never_averages_over_it(tmp_path: Path) -> None:
    sweep(tmp_path, ["none", "rotary"])
    lost = results("rotary", 4)
    write(tmp_path / "lost", lost)
    nothing = dict.fromkeys(lost["val"])
    write_results(tmp_path / "lost" / "results.json", lost | {"diverged": DIVERGED, "val": nothing, "test": nothing})
    runs, left = read([str(tmp_path)])
    for metric in (None, "tokens_per_second"):
        comparison = compare(runs, left, metric=metric)
        assert [(item.kind, item.reason) for item in comparison.excluded] == [
            ("diverged", "diverged at step 40 (loss nan)")
        ]
        (row,) = (row for row in comparison.rows if row.label == "rotary")
        assert (row.without_number, row.mean.n) == (1, 3)


def test_json_is_strict(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    write_results(tmp_path / "x.json", {"a": nan, "b": [inf, {"c": -inf}], "d": (1.5, True, None), "e": "\udce9é"})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": None, "b": [None, {"c": None}], "d": [1.5, True, None], "e": "\udce9é"}
