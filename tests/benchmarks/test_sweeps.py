"""What a sweep costs with the defaults of a real one: with evaluation, TensorBoard views and records.

Every figure is of whole commands, from the start of Python to the ranking at the end, if nothing else is said.

python -m pytest tests/benchmarks/test_sweeps.py -s
"""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from embedlab.runs.folder import job_folder
from embedlab.sweep import child
from tests.conftest import ROOT

JOB = (  # width 64, window 64, bytes; all else is default
    "tokenizer=bytes",
    "model.embedding_dim=64",
    "data.context_length=64",
    "data.batch_size=16",
    "optimizer.lr=3e-3",
    "trainer.log_every_n_steps=10",
)
PLACES = ("output_dir=", "cache_dir=", "sweep_name=")
MEGABYTE = 10**6
Sweep = Callable[..., float]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """sweep("name", "seed=1,2", …): seconds of a whole command; caches and outputs lie in tmp_path."""

    def run(name: str, *overrides: str) -> float:
        places = (f"output_dir={tmp_path}", f"cache_dir={tmp_path}/cache", f"sweep_name={name}")
        command = [sys.executable, "train.py", "-m", *JOB, *places, *overrides]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return time.perf_counter() - started

    return run


def seeds(n: int) -> str:
    return "seed=" + ",".join(map(str, range(1, n + 1)))


def seconds_trained(top: Path, name: str) -> float:
    return sum(json.loads(path.read_text())["train_seconds"] for path in (top / "sweeps" / name).glob("*/results.json"))


def test_jobs(sweep: Sweep, tmp_path: Path) -> None:
    """Jobs per minute, and the speed-up of the default launcher over one job after another."""
    sweep("caches", "seed=1", "trainer.max_steps=10")
    one_by_one = sweep("one", seeds(16), "trainer.max_steps=300", "hydra.launcher.n_jobs=1")
    default = sweep("default", seeds(16), "trainer.max_steps=300")
    print(f"\n16 jobs of 300 steps: {default:.1f} s by default ({16 * 60 / default:.0f} jobs a minute), ", end="")
    print(f"{one_by_one:.1f} s with n_jobs=1: {one_by_one / default:.2f} times as fast (goal on two cores: 1.75)")
    trained = [seconds_trained(tmp_path, name) / 16 for name in ("default", "one")]
    print(
        f"(a job's training, {trained[0]:.1f} and {trained[1]:.1f} s; evaluation, views, imports and ranking besides)"
    )


def test_fixed_cost(sweep: Sweep, tmp_path: Path) -> None:
    """What one more job costs above its training: its process, reading, evaluation, views and records."""
    sweep("caches", "seed=1", "trainer.max_steps=10")
    few = sweep("few", seeds(1), "trainer.max_steps=200", "hydra.launcher.n_jobs=1")
    many = sweep("many", seeds(9), "trainer.max_steps=200", "hydra.launcher.n_jobs=1")
    trained = (seconds_trained(tmp_path, "many") - seconds_trained(tmp_path, "few")) / 8
    print(f"\na job's fixed cost above its {trained:.2f} s of training: {(many - few) / 8 - trained:.2f} s (goal 1.5)")


def test_process_start() -> None:
    """A process that does nothing, from start to end, after the fork server has imported torch and Lightning."""
    child.warm_up()
    context = multiprocessing.get_context(child.METHOD)

    def start() -> float:
        process = context.Process(target=os.getpid)
        begun = time.perf_counter()
        process.start()
        process.join()
        assert process.exitcode == 0
        return time.perf_counter() - begun

    start()  # waits for the imports
    print(f"\na process above an imported parent: {sum(start() for _ in range(10)) / 10:.3f} s (goal 0.15)")


def test_a_hundred_finished_jobs(sweep: Sweep, tmp_path: Path) -> None:
    """Skip finished jobs: one job was really run, the other 99 are its copies with other seeds."""
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
    before = {path: path.stat().st_mtime_ns for path in top.glob("*/results.json")}
    seconds = sweep("many", seeds(100), "trainer.max_steps=10")
    assert {path: path.stat().st_mtime_ns for path in top.glob("*/results.json")} == before and len(before) == 100
    print(f"\n100 finished jobs skipped in {seconds:.1f} s (goal 4)")


def test_large_corpus(sweep: Sweep, tmp_path: Path) -> None:
    """What a job of a second command costs on a text of 200 MB beside one of 2 MB; the first has filled the cache."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(1, 9))) for _ in range(5000)]
    text = " ".join(draw.choices(words, k=MEGABYTE // 2)) + "\n"
    spent = {}
    for name, size in (("small", 2 * MEGABYTE), ("large", 200 * MEGABYTE)):
        path = tmp_path / f"{name}.txt"
        path.write_text(text * (size // len(text) + 1), encoding="utf-8")
        corpus = ("corpus=files", f"corpus.path={path}", "trainer.max_steps=100")
        first = sweep(f"first_{name}", "seed=1", *corpus)
        spent[name] = min(sweep(f"{name}_{i}", "seed=2", *corpus) for i in range(3))
        print(
            f"\n{size // MEGABYTE} MB: {first:.1f} s, the second time {spent[name]:.1f} s (the best of three)", end=""
        )
    print(f"; {spent['large'] - spent['small']:.2f} s more (goal 0.5)")
