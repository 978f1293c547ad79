"""Runs saved and resumed as people do it: from another folder, under odd names, with callbacks turned off."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.conftest import ROOT
from tests.started import Started, last_step

MOMENTS = "+callbacks.moments._target_=tests.training.resume.moments.Moments"


def train(cwd: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python train.py …` in a working folder; stdout holds both streams."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *overrides],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def record(run: Path) -> dict[str, bytes]:
    """Return the files in which Hydra recorded the run."""
    return {path.name: path.read_bytes() for path in (run / ".hydra").iterdir()}


@pytest.fixture
def relative(tiny: list[str], text: Path, tmp_path: Path) -> list[str]:
    """Return overrides of a run in tmp_path/home whose text is my.txt there."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "my.txt").write_bytes(text.read_bytes())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my.txt").write_text("another text of the same name " * 500)
    return [
        *(one for one in tiny if not one.startswith("corpus.path=")),
        "corpus.path=my.txt",
        "callbacks.hparams=null",
    ]


@pytest.mark.slow
def test_resumed_from_another_folder_without_callbacks_last(relative: list[str], tmp_path: Path) -> None:
    """Killed after training, with `callbacks.last=null`, a relative text and a backslash in the folder's name."""
    home, run = tmp_path / "home", tmp_path / "home" / "out\\b"
    own = [*relative, "callbacks.last=null", "trainer.max_steps=8", r"hydra.run.dir=out\b", MOMENTS]
    moment = {"MOMENT": "on_results:8:kill", "MOMENT_FILE": str(tmp_path / "moment")}
    assert train(home, *own, **moment).returncode == -signal.SIGKILL
    assert (run / "checkpoints" / "last.ckpt").is_file() and not (run / "results.json").exists()
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]

    done = train(tmp_path / "elsewhere", f"resume={run}")
    assert done.returncode == 0, done.stdout
    assert "resuming from step 8" in done.stdout
    results: dict[str, Any] = json.loads((run / "results.json").read_text())
    assert results["config"]["corpus"]["path"] == str(home / "my.txt")
    assert results["config"]["output_dir"] == str(home / "outputs")
    assert OmegaConf.load(run / ".hydra" / "config.yaml").corpus.path == str(home / "my.txt")
    after = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(after[name], value) for name, value in weights.items())
    assert sorted(path.name for path in home.iterdir()) == ["my.txt", "out\\b"]
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["my.txt"]

    # finished: skipped with the same settings, refused with others, and its record is unchanged
    recorded = record(run)
    done = train(home, r"resume=out\b")
    assert done.returncode == 0 and "was finished before, skipped" in done.stdout, done.stdout
    assert record(run) == recorded
    done = train(home, r"resume=out\b", "trainer.max_steps=20")
    assert done.returncode == 1
    assert "trainer.max_steps=8, now 20" in done.stdout
    assert "for these, start a new run: python train.py corpus=files" in done.stdout
    assert done.stdout.rstrip().count("\n") == 0 and "sweep_name" not in done.stdout
    assert "trainer.max_steps=20" in done.stdout and "trainer.max_steps=8 " not in done.stdout
    assert record(run) == recorded


@pytest.mark.slow
def test_a_run_of_an_earlier_version_is_resumed(relative: list[str], tmp_path: Path) -> None:
    """0.2.0 made no marker and recorded paths as they were given."""
    home, run = tmp_path / "home", tmp_path / "home" / "old"
    own = [*relative, "trainer.max_steps=8", "hydra.run.dir=old", MOMENTS]
    moment = {"MOMENT": "on_train_batch_start:6:kill", "MOMENT_FILE": str(tmp_path / "moment")}
    assert train(home, *own, **moment).returncode == -signal.SIGKILL
    (run / ".embedlab").unlink()
    config = OmegaConf.load(run / ".hydra" / "config.yaml")
    config.corpus.path, config.output_dir = "my.txt", "outputs"
    OmegaConf.save(config, run / ".hydra" / "config.yaml")
    overrides = [one for one in OmegaConf.load(run / ".hydra" / "overrides.yaml") if str(home) not in one]
    OmegaConf.save(OmegaConf.create(overrides), run / ".hydra" / "overrides.yaml")
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["embedlab"]["config"]["corpus"]["path"] = "my.txt"
    torch.save(checkpoint, path)

    done = train(tmp_path / "elsewhere", f"resume={run}")
    assert done.returncode == 0, done.stdout
    assert "resuming from step 4" in done.stdout
    assert json.loads((run / "results.json").read_text())["config"]["corpus"]["path"] == str(home / "my.txt")


@pytest.mark.slow
def test_ctrl_c_saves_if_each_epoch_has_a_new_loader(start: Callable[..., Started], tmp_path: Path) -> None:
    run = tmp_path / "run"
    one = start(
        "+trainer.reload_dataloaders_every_n_epochs=1",
        f"hydra.run.dir={run}",
        "trainer.max_steps=500",
        MOMENTS,
        PACE="0.1",
    )
    one.wait_for(lambda: last_step(run) >= 8)  # in the second epoch
    time.sleep(0.5)
    one.stop(signal.SIGINT)
    status, _ = one.end()
    assert status == 130, one.output
    assert 8 < last_step(run) < 500
    assert "stopped at step" in one.output


@pytest.mark.slow
def test_time_before_a_kill_counts_for_max_time(relative: list[str], tmp_path: Path) -> None:
    home, run = tmp_path / "home", tmp_path / "home" / "run"
    limit = ["trainer.max_steps=-1", "+trainer.max_time=00:00:00:08", "trainer.log_every_n_steps=1"]
    moment = {"MOMENT": "on_train_batch_end:20:kill", "MOMENT_FILE": str(tmp_path / "moment")}
    killed = train(home, *relative, *limit, "callbacks.last.seconds=0", "hydra.run.dir=run", MOMENTS, **moment)
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    assert 0 < elapsed(run) < 8
    resumed = train(home, "resume=run")
    assert resumed.returncode == 0, resumed.stdout
    assert "resuming from step" in resumed.stdout
    assert 8 <= elapsed(run) < 12, "both parts together"
    with open(run / "metrics.csv", newline="", encoding="utf-8") as file:
        rates = [float(rate) for row in csv.DictReader(file) if (rate := row["train/learning_rate"])]
    assert len(rates) > 20
    highest = rates.index(max(rates))
    assert rates[highest:] == sorted(rates[highest:], reverse=True), "one schedule, without a second warm-up"


def elapsed(run: Path) -> float:
    """The seconds that the Timer of the run's last checkpoint has counted."""
    states = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    (timer,) = (state for name, state in states.items() if name.startswith("Timer"))
    return float(timer["time_elapsed"]["train"])
