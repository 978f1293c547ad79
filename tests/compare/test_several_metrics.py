"""--metric with several: the first ranks, the others stand beside it in every file."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy import stats

from embedlab.compare import fairness
from embedlab.compare.__main__ import FINE, USAGE, main
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import Run
from tests.compare import synthetic

ASKED = ["extrapolation.512", "test.bits_per_byte", "train_seconds"]


@pytest.mark.parametrize("several", [["--metric", ",".join(ASKED)], [x for key in ASKED for x in ("--metric", key)]])
def test_the_first_ranks_and_the_others_are_columns(
    several: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", ["none", "rotary", "alibi", "learned"], seeds=3)
    synthetic.write(sweep / "broken", synthetic.results("alibi", 9) | {"train_seconds": None})
    out = tmp_path / "out"
    main([str(sweep), *several, "--output", str(out)])
    whole = json.loads((out / "comparison.json").read_text())
    assert (whole["metric"], whole["also"]) == (ASKED[0], ASKED[1:])
    assert [row["setting"] for row in whole["rows"]] == ["alibi", "none", "rotary"]  # rotary is best at 64 tokens
    values = [synthetic.results("rotary", seed)["test"]["bits_per_byte"] for seed in (1, 2, 3)]
    low, high = stats.t.interval(0.95, 2, loc=stats.tmean(values), scale=stats.sem(values))
    rotary = whole["rows"][2]
    assert rotary["test.bits_per_byte.mean"] == pytest.approx(stats.tmean(values))
    assert (rotary["test.bits_per_byte.low"], rotary["test.bits_per_byte.high"]) == pytest.approx((low, high))
    assert (whole["rows"][0]["seeds"], whole["rows"][0]["train_seconds.seeds"]) == (4, 3)
    with open(out / "comparison.csv", newline="") as file:
        assert float(list(csv.DictReader(file))[2]["test.bits_per_byte.mean"]) == rotary["test.bits_per_byte.mean"]
    shown = f"{stats.tmean(values):.3f} ± {high - stats.tmean(values):.3f}"
    for text in (capsys.readouterr().out, (out / "comparison.md").read_text(), (out / "report.html").read_text()):
        assert shown in text and "train_seconds (s)" in text.replace("\\_", "_")


def test_a_metric_that_no_run_has_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", ["none", "rotary"], seeds=1)
    assert main([str(sweep), "--metric", "test.loss,test.nothing"]) == USAGE
    assert "--metric test.nothing: no run has this number" in capsys.readouterr().err
    assert main([str(sweep), "--metric", "test.loss,test.loss"]) == FINE


def test_a_second_metric_per_token_across_tokenizers_is_noted(runs_of: Callable[..., list[Run]]) -> None:
    runs = [synthetic.results("none", seed, tokenizer__name=name) for seed in (1, 2) for name in ("gpt2", "bytes")]
    found: Comparison = compare(runs_of(*runs), also=["test.loss"])
    (note,) = [note for note in fairness.find_unequal_treatment(found) if note.startswith("test.loss")]
    assert note == "test.loss is per token and tokenizers differ: it compares only within one tokenizer"
