"""Every yaml below conf/ composes and passes the checks; experiments sweep over what they promise."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from embedlab import positions
from embedlab.sweep.points import expand_points
from embedlab.training.whole_config import check_config, register

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
CHOICES = sorted(path.relative_to(CONF).with_suffix("").as_posix() for path in CONF.glob("*/**/*.yaml"))
EXPERIMENTS = [choice.removeprefix("experiment/") for choice in CHOICES if choice.startswith("experiment/")]
NEEDED = {"corpus/files": ["corpus.path=my.txt"]}  # settings that a choice requires


@pytest.fixture
def hydra() -> Iterator[None]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides: str) -> DictConfig:
    return compose("config", ["run_dir=somewhere", *overrides])


def sweep(experiment: str) -> list[list[str]]:
    """Return the overrides of each job that `python train.py experiment=NAME` launches; [] for a single run."""
    cfg = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    if cfg.hydra.mode is None:
        assert not cfg.hydra.sweeper.params
        return []
    assert cfg.hydra.mode.name == "MULTIRUN"
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    params = [f"{key}={value}" for key, value in cfg.hydra.sweeper.params.items()]
    return expand_points(parser, params, [], cfg.hydra.sweeper.instead or {})


def swept(experiment: str) -> dict[str, set[str]]:
    values: dict[str, set[str]] = {}
    for job in sweep(experiment):
        for override in job:
            key, value = override.split("=")
            values.setdefault(key, set()).add(value)
    return values


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_works(hydra: None, monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    monkeypatch.setattr(
        "embedlab.config.optional.find_spec", lambda package: package
    )  # as if each logger's were installed
    group, _, name = choice.rpartition("/")
    config = check_config(composed(f"{group}={name}", *NEEDED.get(choice, [])))
    assert config.run_dir == "somewhere"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_jobs_of_an_experiment_work(hydra: None, experiment: str) -> None:
    """Check each swept value once, with the others as in the first job; all combinations would take minutes."""
    first, *others = sweep(experiment) or [[]]
    for job in [first, *(job for job in others if len(set(job) - set(first)) == 1 or len(job) != len(first))]:
        check_config(composed(f"experiment={experiment}", *job))


@pytest.mark.parametrize("experiment", ["catalogue", "loudness"])
def test_experiments_that_share_the_settings_of_positions(hydra: None, experiment: str) -> None:
    base, other = (composed(f"experiment={name}", "sweep_name=x") for name in ("positions", experiment))
    assert other == base


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_states_its_cost_and_has_its_folder(hydra: None, experiment: str) -> None:
    lines = (CONF / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert any(line.startswith("# ") and "two cores" in line for line in lines)
    assert composed(f"experiment={experiment}").sweep_name == (experiment if sweep(experiment) else "default")


def test_the_promised_experiments(hydra: None) -> None:
    assert set(EXPERIMENTS) >= {"positions", "dimensions", "extrapolation", "chapter", "smoke"}
    seeds = {"1", "2", "3", "4", "5"}
    assert swept("catalogue") == {"position": set(positions.names()), "seed": seeds}
    assert len(sweep("catalogue")) == 5 * len(positions.names())
    asked = {"none", "learned", "sinusoidal", "rotary", "alibi", "t5", "kerple", "shaw", "transformer_xl", "forgetting"}
    assert swept("positions")["position"] > asked
    assert swept("positions")["seed"] == seeds
    assert len(sweep("positions")) == 12 * 5
    ratios = sorted(map(float, swept("loudness")["position.loudness"]))
    assert (ratios[0], ratios[-1]) == (0.03, 30)
    assert swept("loudness")["position"] == {"learned", "sinusoidal", "scaled_sinusoidal"}
    widths = {int(width) for width in swept("dimensions")["model.embedding_dim"]}
    assert (min(widths), max(widths)) == (8, 512)
    assert len(swept("dimensions")["position"]) > 2
    tuned = sweep("tuned")
    tries = Counter(next(part for part in job if part.startswith("position=")) for job in tuned)
    assert set(tries.values()) == {4 * 3}, "every scheme has the same budget"
    assert {"position.scale=8", "position=t5", "optimizer.lr=0.002", "seed=1"} in map(set, tuned)
    chapter = check_config(composed("experiment=chapter"))
    assert (chapter.data.context_length, chapter.data.stride, chapter.data.batch_size) == (4, 4, 8)
    assert chapter.model.embedding_dim == 256
    assert (chapter.tokenizer.name, chapter.tokenizer.vocab_size) == ("gpt2", None)


def train(folder: Path, *overrides: str) -> str:
    """Return the output of `python train.py`, which must succeed."""
    done = subprocess.run(
        [sys.executable, "train.py", f"output_dir={folder}", *overrides],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_smoke_runs(tmp_path: Path) -> None:
    train(tmp_path, "experiment=smoke")
    (path,) = tmp_path.glob("runs/*/*/results.json")
    results = read(path)
    assert results["position"] == "rotary"
    assert [e["context_length"] for e in results["extrapolation"]][::2] == [32, 64, 128, 256]
    assert results["val"]["loss"] < 5  # nats; it starts near ln(257) = 5.55
    assert set(results) >= {"order_sensitivity", "tables", "position_lens", "loss_by_position"}


@pytest.mark.slow
def test_an_experiment_launches_its_sweep(tmp_path: Path) -> None:
    small = ("trainer.max_steps=2", "evaluation.max_tokens=512", "data.max_eval_tokens=256")
    train(tmp_path, "experiment=positions", "position=none,alibi", "seed=7", *small)
    found = [read(path) for path in (tmp_path / "sweeps" / "positions").rglob("results.json")]
    assert sorted((r["position"], r["seed"]) for r in found) == [("alibi", 7), ("none", 7)]
