"""Rows and baselines: keys, pairs, learning rates, fairness."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from embedlab.compare import fairness, outputs, report, terminal_table
from embedlab.compare.charts.all_charts import style_of
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import Run
from embedlab.compare.varying import add_short_keys, find_varying
from embedlab.compare.verdict import verdict
from embedlab.config.errors import UserError
from tests.compare import synthetic

Runs = Callable[..., list[Run]]


def test_a_sweep_over_schemes_is_ranked_with_paired_corrected_tests(compared: Callable[..., Comparison]) -> None:
    values = {"none": [3.0, 3.1, 3.2], "rotary": [2.7, 2.79, 2.93], "alibi": [2.95, 3.12, 3.17]}
    rows = {row.label: row for row in compared(values).rows}
    assert list(rows) == ["rotary", "alibi", "none"]
    raw = {name: stats.ttest_rel(values[name], values["none"]).pvalue for name in ("rotary", "alibi")}
    assert raw["rotary"] < raw["alibi"]
    assert rows["rotary"].p == pytest.approx(2 * raw["rotary"])
    assert rows["alibi"].p == pytest.approx(max(2 * raw["rotary"], raw["alibi"]))
    assert (rows["rotary"].decided, rows["alibi"].decided) == (True, False)
    assert rows["none"].is_baseline
    assert rows["none"].difference is None
    assert rows["rotary"].more_seeds is None
    assert rows["alibi"].more_seeds is not None


@pytest.mark.parametrize(("asked", "expected"), [(None, "alibi"), ("rotary", "rotary")])
def test_baseline_is_none_else_the_first_else_the_one_asked_for(
    compared: Callable[..., Comparison], asked: str | None, expected: str
) -> None:
    found = compared({"rotary": [2.0, 2.1], "alibi": [2.2, 2.3]}, baseline=asked)
    assert found.groups[0].baseline == expected
    assert [row.label for row in found.rows if row.is_baseline] == [expected]
    assert compared({"rotary": [2.0], "none": [2.2], "alibi": [1.0]}).groups[0].baseline == "none"


def test_errors_for_unknown_baselines_metrics_and_keys_list_the_known_ones(compared: Callable[..., Comparison]) -> None:
    values = {"none": [3.0, 3.1], "rotary": [2.0, 2.2]}
    with pytest.raises(UserError, match="--baseline alibi: not among none, rotary"):
        compared(values, baseline="alibi")
    with pytest.raises(UserError, match=r"--metric test\.foo: .*test\.bits_per_byte"):
        compared(values, metric="test.foo")
    with pytest.raises(UserError, match=r"--by model\.embeding_dim.*model\.embedding_dim"):
        compared(values, by=["model.embeding_dim"])
    with pytest.raises(UserError, match="leaves no run: position is none, rotary"):
        compared(values, where=["position=alibi"])
    with pytest.raises(UserError, match="give key=value"):
        compared(values, where=["position"])


def test_keys_that_vary_are_found_except_those_that_cannot_affect_a_score(runs_of: Runs) -> None:
    runs = runs_of(
        synthetic.results("none", 1, dim=32, output_dir="a", data__num_workers=2),
        synthetic.results("rotary", 2, dim=64, output_dir="b"),
        synthetic.results("rotary", 2, dim=32, position__base=500.0),
    )
    add_short_keys(runs)
    assert find_varying(runs) == (["position", "model.embedding_dim"], {})
    assert [run.settings["position"] for run in runs] == ["none", "rotary base=10000", "rotary base=500"]


def test_settings_that_change_only_together_are_noted(runs_of: Runs) -> None:
    found = compare(runs_of(synthetic.results("none", 1, lr=1e-3), synthetic.results("rotary", 1, lr=2e-3)))
    found.notes = fairness.find_unequal_treatment(found)
    assert found.by == ["position"]
    assert any("position changes together with optimizer.lr" in note for note in found.notes)


def test_every_width_has_its_own_baseline(runs_of: Runs) -> None:
    found = compare(
        runs_of(
            *(
                synthetic.results(scheme, seed, dim=dim)
                for scheme in ("none", "rotary")
                for seed in (1, 2, 3)
                for dim in (32, 64)
            )
        )
    )
    assert {row.label: row.baseline for row in found.rows if row.difference} == {
        "rotary · embedding_dim 32": "none · embedding_dim 32",
        "rotary · embedding_dim 64": "none · embedding_dim 64",
    }


def test_averaging_over_widths_counts_seeds_and_pairs_only_shared_cells(runs_of: Runs) -> None:
    bits = {("none", 32): 3.0, ("none", 64): 2.0, ("rotary", 64): 1.5}  # rotary was never run at 32
    noise = {("none", 1): 0.0, ("none", 2): 0.02, ("rotary", 1): 0.01, ("rotary", 2): -0.02}
    runs = runs_of(
        *(
            synthetic.results(scheme, seed, dim=dim, bits=value + noise[scheme, seed])
            for (scheme, dim), value in bits.items()
            for seed in (1, 2)
        )
    )
    found = compare(runs, by=["position"])
    rotary, none = found.rows
    assert (rotary.mean.n, none.mean.n) == (2, 2)  # seeds, not runs
    assert none.mean.mean == pytest.approx(2.51)
    assert rotary.difference is not None
    assert rotary.difference.mean == pytest.approx(-0.515)  # at width 64 alone
    found.notes = fairness.find_unequal_treatment(found)
    assert any("not every row has every model.embedding_dim" in note for note in found.notes)


def test_the_same_run_twice_counts_as_one_seed(runs_of: Runs) -> None:
    same = [synthetic.results("none", 1, bits=2.0), synthetic.results("none", 1, bits=2.0)]
    found = compare(runs_of(*same, synthetic.results("rotary", 1, bits=1.9)))
    assert [row.mean.n for row in found.rows] == [1, 1]
    assert all(row.p is None for row in found.rows)


def test_learning_rate_is_chosen_by_validation_never_by_test(runs_of: Runs) -> None:
    runs = []
    for seed in (1, 2):
        lucky = synthetic.results("rotary", seed, lr=1e-3, bits=1.0)  # best on the test text …
        lucky["val"] = {"loss": 9.0, "bits_per_byte": 5.0}  # … and worst on the validation text
        runs += [
            lucky,
            synthetic.results("rotary", seed, lr=2e-3, bits=2.0),
            synthetic.results("none", seed, lr=2e-3, bits=2.5),
        ]
    found = compare(runs_of(*runs))
    rotary = next(row for row in found.rows if row.label == "rotary")
    assert rotary.mean.mean == pytest.approx(2.0)
    assert rotary.tuned == (("optimizer.lr", 2e-3),)
    assert len(rotary.tried) == 2
    found.notes = fairness.find_unequal_treatment(found)
    assert any("more tries favour" in note for note in found.notes)
    assert "optimizer.lr" in compare(runs_of(*runs), by=["position", "optimizer.lr"]).by


def test_a_bias_scale_is_tuned_like_the_learning_rate(runs_of: Runs) -> None:
    runs = []
    for seed in (1, 2):
        for lr, scale, bits in ((2e-3, 1, 2.3), (2e-3, 8, 2.1), (4e-3, 1, 2.4), (4e-3, 8, 2.2)):
            runs.append(synthetic.results("t5", seed, lr=lr, bits=bits, position__scale=scale))
        runs += [synthetic.results("none", seed, lr=lr, bits=2.5 + lr) for lr in (1e-3, 2e-3, 4e-3, 8e-3)]
    found = compare(runs_of(*runs))
    assert sorted(row.label for row in found.rows) == ["none", "t5"]
    t5 = next(row for row in found.rows if row.label == "t5")
    assert t5.tuned == (("optimizer.lr", 2e-3), ("position.scale", 8.0))
    assert t5.spread == pytest.approx(1.01 * 0.3)  # the synthetic validation score is 1.01 times the test score
    assert t5.mean.mean == pytest.approx(2.1)
    notes = fairness.find_unequal_treatment(found)
    assert any("every row was tried 4 times, but not all at the same values" in note for note in notes)
    assert not any("more tries favour" in note for note in notes)
    assert len(compare(runs_of(*runs), by=["position", "position.scale"]).rows) == 3


def test_a_diverged_run_is_listed_and_noted_beside_the_mean(runs_of: Runs) -> None:
    broken = synthetic.results("rotary", 3)
    broken["test"] = {"loss": float("nan"), "bits_per_byte": float("nan")}
    runs = runs_of(*(synthetic.results(s, n) for s in ("none", "rotary") for n in (1, 2)), broken)
    found = compare(runs)
    assert [(item.kind, item.path) for item in found.excluded] == [("metric", "run4")]
    assert next(row for row in found.rows if row.label == "rotary").without_number == 1
    assert any("1 of 3 runs gave no finite number" in note for note in fairness.find_unequal_treatment(found))


def other_corpus(results: dict, sha: str = "cd" * 32) -> dict:
    results["corpus"]["sha256"] = sha
    return results


def test_texts_targets_and_nats_of_different_tokenizers_are_not_ranked_together(runs_of: Runs) -> None:
    runs = [synthetic.results("none", 1), synthetic.results("rotary", 1)]
    by_bytes = synthetic.results("rotary", 2, tokenizer__name="bytes", tokenizer__vocab_size=None)
    fewer = synthetic.results("rotary", 2, data__max_eval_tokens=16)
    for odd, metric, word in (
        (other_corpus(synthetic.results("rotary", 2)), None, "one text says nothing about another"),
        (fewer, None, "different target tokens"),
        (by_bytes, "test.loss", "nats per token do not compare"),
    ):
        found = compare(runs_of(*runs, odd), metric=metric)
        assert len(found.groups) == 2
        assert word in " ".join(fairness.refusals(found))
    assert len(compare(runs_of(*runs, by_bytes)).groups) == 1  # bits per byte compare


@pytest.mark.parametrize(
    ("metric", "config"),
    [
        ("test.loss", {"corpus__field": "title"}),  # the same .jsonl, so the same sha256
        ("extrapolation.128", {"evaluation__length_factors": [1, 2]}),
        ("extrapolation.128", {"evaluation__sliding_step": 1}),
        ("extrapolation.128", {"evaluation__max_tokens": 64}),
        ("order_sensitivity.4", {"evaluation__order_windows": 9}),
    ],
)
def test_scores_of_different_targets_are_not_averaged(runs_of: Runs, metric: str, config: dict[str, object]) -> None:
    runs = [synthetic.results("rotary", 1), synthetic.results("rotary", 2, **config), synthetic.results("none", 1)]
    found = compare(runs_of(*runs), metric=metric)
    assert sorted(len(group.runs) for group in found.groups) == [1, 2]


def test_unequal_treatment_is_noted(runs_of: Runs) -> None:
    runs = [
        synthetic.results("none", 1),
        synthetic.results("learned", 1, data__context_length=512),
        synthetic.results("rotary", 1),
    ]
    runs[1]["versions"]["torch"] = "2.6.0"
    runs[2]["git"] = {"commit": "fedcba", "dirty": True}
    runs[2]["cautions"] = ["rotary with one head"]
    found = compare(runs_of(*runs))
    notes = " | ".join(fairness.find_unequal_treatment(found))
    for word in (
        "parameter counts differ",
        "windows differ in length",
        "versions of torch",
        "different commits",
        "uncommitted",
        "rotary with one head",
        "one seed",
    ):
        assert word in notes


def test_whole_comparisons_of_equal_schemes_rarely_raise_an_alarm(compared: Callable[..., Comparison]) -> None:
    """300 simulated sweeps of four equal schemes: at most 5 % raise an alarm, within a binomial bound of 1e-6."""
    rng, sweeps, alarms = random.Random(4), 300, 0
    for _ in range(sweeps):
        effect = [rng.gauss(3, 0.1) for _ in range(3)]
        equal = {name: [value + rng.gauss(0, 0.02) for value in effect] for name in ("none", "rotary", "alibi", "t5")}
        alarms += any(row.decided for row in compared(equal).rows)
    assert alarms <= stats.binom.ppf(1 - 1e-6, sweeps, 0.05)


def test_metrics_by_path(compared: Callable[..., Comparison]) -> None:
    values = {"none": [3.0, 3.1], "rotary": [2.0, 2.2]}
    speed = compared(values, metric="tokens_per_second")
    assert speed.rows[0].mean.mean >= speed.rows[1].mean.mean  # higher is better
    longer = compared(values, metric="extrapolation.512")
    assert {row.label: row.mean.mean for row in longer.rows}["rotary"] == pytest.approx(2.1 + 0.7 * 3)
    assert compared(values, metric="order_sensitivity.4").metric.unit == "nats/token"


def test_a_trainer_key_that_only_some_runs_set_makes_rows(runs_of: Runs) -> None:
    runs = [synthetic.results("none", seed) for seed in (1, 2)]
    for key, value in (
        ("fast_dev_run", True),
        ("overfit_batches", 2),
        ("limit_train_batches", 3),
        ("limit_val_batches", 0.5),
        ("max_time", "00:00:01:00"),
        ("accumulate_grad_batches", 4),
        ("gradient_clip_val", 0.5),
        ("precision", "bf16-true"),
        ("max_epochs", 3),
        ("val_check_interval", 7),
        ("a_key_of_a_later_lightning", 1),
    ):
        odd = synthetic.results("none", 3)
        odd["config"]["trainer"][key] = value
        found = compare(runs_of(*runs, odd))
        assert found.by == [f"trainer.{key}"]
        assert sorted(sorted(row.by_seed) for row in found.rows) == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fast_dev_run", False),  # Lightning's defaults, set explicitly
        ("overfit_batches", 0.0),
        ("limit_val_batches", 1.0),
        ("accumulate_grad_batches", 1),
        ("precision", 32),
        ("gradient_clip_val", None),
        ("enable_progress_bar", False),  # settings that cannot affect a score
        ("log_every_n_steps", 1),
        ("devices", 2),
        ("strategy", {"_target_": "lightning.pytorch.strategies.DDPStrategy", "find_unused_parameters": True}),
        ("accelerator", "gpu"),
        ("deterministic", "warn"),
    ],
)
def test_a_trainer_key_that_changes_nothing_makes_no_rows(runs_of: Runs, key: str, value: object) -> None:
    odd = synthetic.results("none", 3)
    odd["config"]["trainer"][key] = value
    found = compare(runs_of(synthetic.results("none", 1), synthetic.results("none", 2), odd))
    assert [sorted(row.by_seed) for row in found.rows] == [[1, 2, 3]]


def test_callbacks_make_rows_unless_they_only_observe(runs_of: Runs) -> None:
    best = {"_target_": "embedlab.training.best.Best", "monitor": "val/loss", "filename": "best"}

    def labels(**callbacks: object) -> list[str]:
        runs = [synthetic.results("none", seed) for seed in (1, 2, 3)]
        for run in runs:
            run["config"]["callbacks"] = {"best": best, "figures": {"_target_": "embedlab.tensorboard.figures.Figures"}}
        runs[2]["config"]["callbacks"] |= callbacks
        return sorted(row.label for row in compare(runs_of(*runs)).rows)

    assert labels(figures=None, projector={"steps": [3]}) == ["none"]
    assert labels(best={**best, "filename": "mine"}) == ["none"]
    assert labels(best=None) == ["null", "val/loss"]  # the last weights are scored
    assert labels(best={**best, "mode": "max"}) == ["max", "min"]
    assert labels(stop={"_target_": "lightning.pytorch.callbacks.EarlyStopping"}) == [
        "lightning.pytorch.callbacks.EarlyStopping",
        "null",
    ]


def test_seeds_outside_the_pairs_are_reported_everywhere(runs_of: Runs, tmp_path: Path) -> None:
    seeds = {"none": (1, 2, 3), "rotary": (2, 3, 7)}
    found = compare(
        runs_of(*(synthetic.results(name, seed) for name, each in seeds.items() for seed in each)),
    )
    rotary = next(row for row in found.rows if row.label == "rotary")
    assert rotary.difference is not None
    assert (rotary.difference.method, rotary.difference.n) == ("paired", 2)
    assert (rotary.unpaired, rotary.unpaired_baseline) == ([7], [1])
    found.notes = fairness.find_unequal_treatment(found)
    note = "the pairs exclude 2 (7 of rotary; 1 of none)"
    assert any(note in one for one in found.notes)
    console = Console(width=160, file=io.StringIO())
    terminal_table.show(found, [], console)
    assert note in " ".join(console.file.getvalue().split())
    outputs.prepare_folder(tmp_path)
    outputs.write_tables(found, tmp_path, [], [])
    rows = {row["setting"]: row for row in json.loads((tmp_path / "comparison.json").read_text())["rows"]}
    assert rows["rotary"]["seeds_outside_pairs"] == "7 of rotary; 1 of none"
    assert rows["none"]["seeds_outside_pairs"] is None
    assert "not in the pairs: rotary: 7 of rotary; 1 of none." in (tmp_path / "comparison.md").read_text()
    assert note in report.render_page(found, [], [[]], style_of(found), "command")
    assert any("not in pairs: seed 7 of rotary; 1 of none" in line for line in verdict(found, found.groups[0]))


@pytest.mark.parametrize("seeds", [{"none": (1, 2), "rotary": (1, 2)}, {"none": (1, 2), "rotary": (3, 4)}])
def test_no_seed_is_outside_pairs_if_all_or_none_are_paired(runs_of: Runs, seeds: dict[str, tuple[int, ...]]) -> None:
    found = compare(runs_of(*(synthetic.results(name, seed) for name, each in seeds.items() for seed in each)))
    assert [row.outside_pairs for row in found.rows] == ["", ""]
    assert not any("the pairs exclude" in note for note in fairness.find_unequal_treatment(found))


def test_one_shared_seed_excludes_the_others(runs_of: Runs) -> None:
    found = compare(runs_of(*(synthetic.results(*run) for run in (("none", 1), ("rotary", 1), ("rotary", 2)))))
    rotary = next(row for row in found.rows if row.label == "rotary")
    assert rotary.outside_pairs == "2 of rotary"


def with_files(results: dict, **files: str) -> dict:
    results["files"] = {path: sha * 32 for path, sha in files.items()}
    return results


def test_a_file_that_changed_between_runs_splits_its_scheme(runs_of: Runs) -> None:
    runs = [synthetic.results("none", seed) for seed in (1, 2, 3)]
    for seed, sha in ((1, "ab"), (2, "ab"), (3, "cd")):
        runs.append(with_files(synthetic.results("mine", seed, position__file="mine"), mine=sha))
    rows = {row.label: row for row in compare(runs_of(*runs)).rows}
    assert set(rows) == {"none", "mine files=mine@abababab", "mine files=mine@cdcdcdcd"}
    assert rows["mine files=mine@cdcdcdcd"].baseline == "none"
    for run in runs:
        run["files"] = {"mine": "ab" * 32} if run["position"] == "mine" else {}
    assert {row.label for row in compare(runs_of(*runs)).rows} == {"none", "mine"}


def test_a_token_table_that_changed_makes_rows(runs_of: Runs) -> None:
    runs = [
        with_files(synthetic.results("none", seed, model__token_table={"path": "t.npy"}), **{"t.npy": sha})
        for seed, sha in ((1, "ab"), (2, "ab"), (3, "cd"))
    ]
    found = compare(runs_of(*runs))
    assert found.by == ["model.files"]
    assert [row.label for row in found.rows if row.mean.n == 2] == ["t.npy@abababab"]


@pytest.mark.parametrize("files", [None, 3, [], "x", {"mine": 3}, {"mine": None}, {"": "\x1b" * 9}])
def test_invalid_files_entries_are_ignored(runs_of: Runs, files: object) -> None:
    runs = [synthetic.results("mine", seed, position__file="mine") for seed in (1, 2)]
    runs[0]["files"] = files
    runs[1]["files"] = {"mine": "ab" * 32}
    assert [row.label for row in compare(runs_of(*runs)).rows] == ["mine"]
