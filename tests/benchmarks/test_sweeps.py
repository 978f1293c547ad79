"""What a sweep costs with the defaults of a real one: evaluation, TensorBoard views, records and all.

python -m pytest tests/benchmarks/test_sweeps.py -s
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from embedlab.runs.folder import job_folder
from tests.conftest import ROOT

JOB = (  # width 64, window 64, bytes; all else as it ships
    "tokenizer=bytes",
    "model.embedding_dim=64",
    "data.context_length=64",
    "data.batch_size=16",
    "optimizer.lr=3e-3",
    "trainer.log_every_n_steps=10",
)
PLACES = ("output_dir=", "cache_dir=", "sweep_name=")
Sweep = Callable[..., tuple[float, str]]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """sweep("name", "seed=1,2", …): (seconds, output) of a whole command; caches and outputs lie in tmp_path."""

    def run(name: str, *overrides: str) -> tuple[float, str]:
        places = (f"output_dir={tmp_path}", f"cache_dir={tmp_path}/cache", f"sweep_name={name}")
        command = [sys.executable, "train.py", "-m", *JOB, *places, *overrides]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return time.perf_counter() - started, done.stdout

    return run


def seeds(n: int) -> str:
    return "seed=" + ",".join(map(str, range(1, n + 1)))


def results(top: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(path.read_text()) for path in (top / "sweeps" / name).glob("*/results.json")]


def test_jobs(sweep: Sweep, tmp_path: Path) -> None:
    """Speed-up of the default launcher over one job after another, and what a job costs beside its training."""
    sweep("caches", "seed=1", "trainer.max_steps=10")
    one_by_one, _ = sweep("one", seeds(16), "trainer.max_steps=300", "hydra.launcher.n_jobs=1")
    default, _ = sweep("default", seeds(16), "trainer.max_steps=300")
    print(f"\n16 jobs of 300 steps: {default:.1f} s by default ({16 * 60 / default:.0f} jobs a minute), ")
    print(f"{one_by_one:.1f} s with n_jobs=1: {one_by_one / default:.2f} times as fast (goal 1.75)")

    few, _ = sweep("few", seeds(1), "trainer.max_steps=200", "hydra.launcher.n_jobs=1")
    many, _ = sweep("many", seeds(9), "trainer.max_steps=200", "hydra.launcher.n_jobs=1")
    trained = sum(job["train_seconds"] for job in results(tmp_path, "many"))
    trained -= sum(job["train_seconds"] for job in results(tmp_path, "few"))
    print(
        f"a job's fixed cost above its {trained / 8:.2f} s of training: {(many - few - trained) / 8:.2f} s (goal 1.5)"
    )


def test_a_hundred_finished_jobs(sweep: Sweep, tmp_path: Path) -> None:
    """Skip what is finished: one job really run, the other 99 copied with their own seed."""
    sweep("many", "seed=1", "trainer.max_steps=10")
    (done,) = (tmp_path / "sweeps" / "many").glob("*/results.json")
    top, recorded = done.parents[1], yaml.safe_load((done.parent / ".hydra" / "overrides.yaml").read_text())
    content = json.loads(done.read_text())
    for seed in range(2, 101):
        own = [f"seed={seed}" if item == "seed=1" else item for item in recorded]
        folder = top / job_folder(",".join(sorted(item for item in own if not item.startswith(PLACES))))
        (folder / ".hydra").mkdir(parents=True)
        content["config"]["seed"] = seed
        (folder / "results.json").write_text(json.dumps(content))
        (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(own))
    seconds, output = sweep("many", seeds(100), "trainer.max_steps=10")
    assert "100 skipped" in output
    print(f"\n100 finished jobs skipped in {seconds:.1f} s, the ranking at the end included (goal 4)")
