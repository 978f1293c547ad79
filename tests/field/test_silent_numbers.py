"""Runs whose numbers used to be wrong without a warning: now they are right, or the run is refused in one line."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embedlab.compare import fairness, reading
from embedlab.compare.comparison import Comparison, compare
from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.data.skip_finished import finished_results
from embedlab.evaluate import run as evaluate
from embedlab.evaluation import measure
from embedlab.export import read_run
from embedlab.training.run import train
from tests.conftest import ROOT

TINY = (  # a second: bytes, a width of 16, nine validations or fewer
    "corpus=files",
    "tokenizer=bytes",
    "model.embedding_dim=16",
    "model.n_heads=2",
    "data.context_length=16",
    "data.batch_size=32",
    "data.max_eval_tokens=2048",
    "trainer.max_steps=12",
    "trainer.val_check_interval=3",
    "trainer.log_every_n_steps=1",
    "evaluation.max_tokens=64",
    "evaluation.order_windows=4",
    "evaluation.length_factors=[1]",
    "logger=csv",
    "threads=1",
    *(f"callbacks.{name}=null" for name in ("projector", "hparams", "layout", "texts", "figures")),
)
SPOILT = ("optimizer.lr=3", "optimizer.warmup_fraction=1")  # a rate that grows until the model gets worse again
SCHEME = """
from dataclasses import dataclass
from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, Shape

@dataclass(slots=True)
class MineConfig(PositionConfig):
    def build(self, shape: Shape) -> "Scheme":
        return Mine(self, shape)

class Mine(Scheme):
    pass
"""
Run = Callable[..., dict[str, Any]]


def write_text(path: Path, seed: int, words: int = 6000) -> None:
    drawn = np.random.default_rng(seed).choice(["the cat", "sat on", "a mat.", "Why", "not\n"], words)
    path.write_text(" ".join(drawn))


@pytest.fixture
def settings(tmp_path: Path) -> list[str]:
    """Return overrides of a tiny run on tmp_path/text.txt."""
    write_text(tmp_path / "text.txt", 0)
    return [*TINY, f"corpus.path={tmp_path}/text.txt", f"cache_dir={tmp_path}/cache"]


@pytest.fixture
def run(make_config: Callable[..., Config], settings: list[str], tmp_path: Path) -> Run:
    """Return run("NAME", "position=none", …), which trains a tiny run in tmp_path/NAME and returns its results."""

    def start(name: str, *overrides: str) -> dict[str, Any]:
        (tmp_path / name).mkdir(exist_ok=True)
        config = make_config(*settings, f"run_dir={tmp_path}/{name}", *overrides)
        results = train(config, measure)
        write_hydra(tmp_path / name, config)
        return results

    return start


def write_hydra(folder: Path, config: Config) -> None:
    """Write the config as Hydra does beside a run."""
    from dataclasses import asdict

    from omegaconf import OmegaConf

    (folder / ".hydra").mkdir(exist_ok=True)
    OmegaConf.save(OmegaConf.create(asdict(config)), folder / ".hydra" / "config.yaml")


def validated(folder: Path) -> list[float]:
    """Return every val/loss of metrics.csv."""
    with open(folder / "metrics.csv") as file:
        return [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]


def compared(top: Path) -> Comparison:
    runs, left = reading.read([str(top)])
    found = compare(runs, left)
    found.notes = fairness.find_unequal_treatment(found)
    return found


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "bf16-mixed", "64-true"])
def test_validation_sums_have_all_their_digits_in_every_precision(run: Run, tmp_path: Path, precision: str) -> None:
    results = run("run", f"trainer.precision={precision}")
    losses = validated(tmp_path / "run")
    assert len(losses) == 4
    assert not [loss for loss in losses if loss == torch.tensor(loss).half().item()], "only three digits are left"
    assert results["val"]["loss"] == pytest.approx(min(losses), rel=1e-3)
    assert evaluate(tmp_path / "run", [])["val"]["loss"] == pytest.approx(results["val"]["loss"], rel=1e-6)


def test_best_is_the_best_in_half_precision(run: Run, tmp_path: Path) -> None:
    run("run", "trainer.precision=bf16-true", *SPOILT)
    losses = validated(tmp_path / "run")
    assert losses[-1] > min(losses), "the last weights must not be the best"
    best = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)
    assert best["global_step"] == 3 * (1 + int(np.argmin(losses)))


@pytest.mark.parametrize(
    "changed",
    [
        ["callbacks.best.filename=mine"],
        ["callbacks.best.dirpath=${run_dir}/kept"],
        ["callbacks.best.dirpath=${run_dir}/../kept"],
        ["+callbacks.best.save_top_k=3", "callbacks.best.filename='mine-{step}'"],
        ["+callbacks.best.save_top_k=-1", "callbacks.best.enable_version_counter=true"],
        ["callbacks.best._target_=lightning.pytorch.callbacks.ModelCheckpoint"],
    ],
)
def test_the_best_weights_are_scored_wherever_they_are_kept(run: Run, tmp_path: Path, changed: list[str]) -> None:
    plain, results = run("plain", *SPOILT), run("run", *SPOILT, *changed)
    assert validated(tmp_path / "plain")[-1] > plain["val"]["loss"] + 0.01
    assert results["val"] == plain["val"]
    assert results["cautions"] == plain["cautions"] == []
    assert evaluate(tmp_path / "run", [])["val"] == plain["val"]
    np.testing.assert_array_equal(read_run(tmp_path / "run")[0], read_run(tmp_path / "plain")[0])


def test_checkpoints_under_one_name_are_refused(run: Run) -> None:
    with pytest.raises(UserError, match=r"save_top_k=3 would write all of them to best\.ckpt: give .*best-\{step\}"):
        run("run", "+callbacks.best.save_top_k=3")


def test_weights_that_another_run_overwrote_are_not_measured(run: Run, tmp_path: Path) -> None:
    shared = "callbacks.best.dirpath=${run_dir}/../kept"
    run("one", "seed=1", shared)
    run("two", "seed=2", shared)
    with pytest.raises(UserError, match=r"kept/best\.ckpt was overwritten since \S+one was scored"):
        evaluate(tmp_path / "one", [])
    evaluate(tmp_path / "two", [])


@pytest.mark.parametrize(
    ("override", "caution"),
    [
        ("callbacks.best=null", "the scores are of the last weights"),
        ("+callbacks.best.mode=max", "chose the weights that are scored, not the lowest val/loss"),
        ("+trainer.fast_dev_run=true", "trainer.fast_dev_run=true uses 1 of all batches"),
        ("+trainer.overfit_batches=2", "trainer.overfit_batches=2 trains on the same few batches"),
        ("+trainer.limit_train_batches=1", "trainer.limit_train_batches=1 trains on only a part"),
        ("trainer.limit_val_batches=0.5", "trainer.limit_val_batches=0.5 chooses the best weights by only a part"),
        ("+trainer.max_time=00:01:00:00", "trainer.max_time=00:01:00:00 may end training by the clock"),
    ],
)
def test_settings_that_make_a_score_misleading_warn(run: Run, tmp_path: Path, override: str, caution: str) -> None:
    run("run", override)
    cautions = json.loads((tmp_path / "run" / "results.json").read_text())["cautions"]
    assert any(caution in message for message in cautions), cautions


def test_a_debug_run_has_a_separate_row(run: Run, tmp_path: Path) -> None:
    for seed in (1, 2):
        run(f"none{seed}", "position=none", f"seed={seed}")
    run("debug", "position=none", "seed=3", "+trainer.fast_dev_run=true")
    found = compared(tmp_path)
    assert found.by == ["trainer.fast_dev_run"]
    assert {row.label: sorted(row.by_seed) for row in found.rows} == {"false": [1, 2], "true": [3]}
    assert any("this is no result" in note for note in found.notes)


def test_text_that_changed_is_refused_by_resume_and_skip(
    run: Run, make_config: Callable[..., Config], settings: list[str], tmp_path: Path
) -> None:
    results = run("run")
    then = results["corpus"]["sha256"]
    config = make_config(*settings, f"run_dir={tmp_path}/run")
    assert finished_results(tmp_path / "run", config, "remedy") == results
    write_text(tmp_path / "text.txt", 1)
    hashes = rf"sha256 {then[:12]}, now (?!{then[:12]})[0-9a-f]{{12}}"
    message = rf"changed since it started \(text: {hashes}\): restore the old content"
    with pytest.raises(UserError, match=message):
        finished_results(tmp_path / "run", config, "remedy")
    (tmp_path / "run" / "results.json").unlink()  # as if it had been killed in its evaluation
    with pytest.raises(UserError, match=message):
        run("run")
    write_text(tmp_path / "text.txt", 0)
    assert run("run")["val"] == results["val"]
    os.remove(tmp_path / "text.txt")  # nothing to compare with, so nothing is refused
    assert finished_results(tmp_path / "run", config, "remedy") is not None


def test_code_that_changed_is_refused_and_kept_apart(
    run: Run, make_config: Callable[..., Config], settings: list[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(SCHEME)
    scheme = ("position=none", "position.name=mine", f"position.file={mine}")
    for seed in (1, 2):
        results = run(f"mine{seed}", *scheme, f"seed={seed}")
        run(f"none{seed}", "position=none", f"seed={seed}")
    assert list(results["files"]) == [str(mine)]
    mine.write_text(SCHEME + "    tuned = True\n")
    message = rf"{mine}: sha256 [0-9a-f]{{12}}, now [0-9a-f]{{12}}"
    with pytest.raises(UserError, match=message):
        finished_results(
            tmp_path / "mine2", make_config(*settings, f"run_dir={tmp_path}/mine2", *scheme, "seed=2"), "remedy"
        )
    with pytest.raises(UserError, match=message):
        evaluate(tmp_path / "mine2", [])
    shutil.copytree(tmp_path / "mine2", tmp_path / "killed")
    (tmp_path / "killed" / "results.json").unlink()
    with pytest.raises(UserError, match=message):
        run("killed", *scheme, "seed=2")
    shutil.rmtree(tmp_path / "killed")

    then, now = results["files"][str(mine)], run("mine3", *scheme, "seed=3")["files"][str(mine)]
    found = compared(tmp_path)
    seeds = {row.label: sorted(row.by_seed) for row in found.rows}
    assert seeds == {
        f"mine files=mine.py@{then[:8]}": [1, 2],
        f"mine files=mine.py@{now[:8]}": [3],
        "none": [1, 2],
    }
    assert {row.baseline for row in found.rows if row.difference} == {"none"}


def test_a_scheme_inside_another_and_a_token_table_are_files_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCHEME)
    np.save(tmp_path / "table.npy", np.zeros((257, 16), dtype=np.float32))
    inner = f"position.schemes=[none,{{name: mine, file: {tmp_path}/mine.py}}]"
    results = run("run", "position=per_layer", inner, f"model.token_table.path={tmp_path}/table.npy")
    assert list(results["files"]) == [f"{tmp_path}/mine.py", f"{tmp_path}/table.npy"]
    state = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["embedlab"]
    assert state["files"] == results["files"]
    assert state["corpus_sha256"] == results["corpus"]["sha256"]
    os.remove(tmp_path / "table.npy")  # its numbers are in the checkpoint by now
    assert math.isfinite(evaluate(tmp_path / "run", [])["val"]["loss"])


def test_runs_of_version_0_2_0_are_skipped_and_resumed(
    run: Run, make_config: Callable[..., Config], settings: list[str], tmp_path: Path
) -> None:
    """Their classes were in other modules, and they recorded neither files nor which checkpoint was scored."""
    results = run("run")
    moved = {
        "embedlab.training.best.Best": "embedlab.callbacks.best.Best",
        "embedlab.training.resume.callback.Checkpoints": "embedlab.resume.callback.Checkpoints",
        "embedlab.training.resume.history.MetricsCSV": "embedlab.resume.history.MetricsCSV",
    }

    def aged(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: aged(item) for key, item in node.items()}
        return moved.get(node, node) if isinstance(node, str) else node

    old = aged(json.loads((tmp_path / "run/results.json").read_text()))
    assert str(old).count("embedlab.callbacks.best.Best") == str(old).count("embedlab.resume.") / 2 == 1
    for key in ("files", "checkpoint"):
        del old[key]
    (tmp_path / "run/results.json").write_text(json.dumps(old))
    config = make_config(*settings, f"run_dir={tmp_path}/run")
    assert finished_results(tmp_path / "run", config, "remedy") == old
    assert evaluate(tmp_path / "run", [])["val"] == results["val"]

    (tmp_path / "run/results.json").unlink()
    path = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["embedlab"]["config"] = aged(checkpoint["embedlab"]["config"])
    for key in ("files", "corpus_sha256"):
        del checkpoint["embedlab"][key]
    torch.save(checkpoint, path)
    assert run("run")["val"] == results["val"]


@pytest.mark.slow
def test_a_sweep_after_an_edit_gives_one_line_for_each_job(settings: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "-m", *settings, f"output_dir={tmp_path}", "position=none", "seed=1,2"]

    def sweep() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert sweep().returncode == 0
    again = sweep()
    assert again.returncode == 0 and "2 skipped" in again.stdout, again.stdout
    write_text(tmp_path / "text.txt", 1)
    refused = sweep()
    assert refused.returncode == 1
    assert refused.stdout.count("— failed: ") == 2
    assert "text: sha256 " in refused.stdout and "give sweep_name=ANOTHER" in refused.stdout
    assert "Traceback" not in refused.stdout
