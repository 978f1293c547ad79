"""What a sweep costs: a job beside its training, two jobs at once, and a hundred finished ones.

python -m pytest tests/benchmarks/test_sweeps.py -s
"""

import json
import subprocess
import time
from pathlib import Path

import yaml

from embedlab.runs.folder import job_folder
from tests.commands import Command
from tests.conftest import ROOT

PLACES = ("output_dir=", "cache_dir=", "sweep_name=")


def timed(arguments: list[str]) -> tuple[float, str]:
    started = time.perf_counter()
    ended = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return time.perf_counter() - started, ended.stdout


def results(top: Path, sweep: str) -> list[dict[str, float]]:
    return [json.loads(path.read_text()) for path in (top / "sweeps" / sweep).glob("*/results.json")]


def test_jobs(command: Command, tmp_path: Path) -> None:
    """Short trainings for what a job costs, because loading and logging between two steps belong to training too."""

    def sweep(name: str, steps: int, jobs: int, *extra: str) -> tuple[float, float]:
        """Seconds of a sweep of so many jobs, and of them those of training steps."""
        lasting = (f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", "callbacks.progress=null")
        seeds = "seed=" + ",".join(map(str, range(1, jobs + 1)))
        seconds, _ = timed(command("-m", *lasting, seeds, f"sweep_name={name}", *extra))
        return seconds, sum(job["train_seconds"] for job in results(tmp_path, name))

    sweep("caches", 20, 1)
    one, one_training = sweep("one", 20, 1)
    whole, training = sweep("basic", 20, 21)
    print(f"\n21 jobs, basic: {whole:.1f} s, of it training {training:.1f} s; one job: {one:.1f} s")
    print(f"a job above its training: {(whole - training - one + one_training) / 20:.2f} s (at most 0.5)")
    basic, _ = sweep("longer", 400, 20)
    joblib, _ = sweep("joblib", 400, 20, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    print(
        f"20 longer jobs: basic {basic:.1f} s, joblib with 2 {joblib:.1f} s: {basic / joblib:.2f} times as fast (1.6)"
    )


def test_a_hundred_finished_jobs(command: Command, tmp_path: Path) -> None:
    timed(command("-m", "seed=1", "sweep_name=many"))
    (done,) = (tmp_path / "sweeps" / "many").glob("*/results.json")
    top = done.parents[1]
    overrides = yaml.safe_load((done.parent / ".hydra" / "overrides.yaml").read_text())
    content = json.loads(done.read_text())
    for seed in range(2, 101):
        own = [f"seed={seed}" if item == "seed=1" else item for item in overrides]
        folder = top / job_folder(",".join(sorted(item for item in own if not item.startswith(PLACES))))
        folder.mkdir()
        content["config"]["seed"] = seed
        (folder / "results.json").write_text(json.dumps(content))
    seconds, told = timed(command("-m", "seed=" + ",".join(map(str, range(1, 101))), "sweep_name=many"))
    assert "100 skipped" in told
    print(f"\n100 finished jobs passed over in {seconds:.1f} s")
