"""The number of threads of a job, on which its speed and its last digits depend."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.runs import machine
from embedlab.sweep.capacity import share_of_threads
from embedlab.training import run
from embedlab.training.threads import choose_threads, set_threads
from tests.conftest import ROOT

TWO = 2
BILLION = 1e9


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_larger_steps_use_more_threads_up_to_what_there_is() -> None:
    chosen = [choose_threads(w * BILLION, 64) for w in (0, 0.02, 0.05, 0.35, 1.3, 5, 20)]
    assert chosen == [1, 1, 2, 4, 7, 11, 15]  # the table in its module's docstring
    assert [choose_threads(5 * BILLION, most) for most in (1, 2, 8)] == [1, 2, 8]


@pytest.mark.parametrize("work", [0.05, 0.35, 5, 100])
def test_one_thread_more_would_save_less_than_a_twentieth(work: float) -> None:
    def seconds(n: int) -> float:
        return 0.010 + 0.025 * work / n

    n = choose_threads(work * BILLION, 1000)
    assert seconds(n) <= 0.95 * seconds(n - 1)
    assert seconds(n + 1) > 0.95 * seconds(n)


def test_null_uses_the_cores_and_a_number_is_taken_as_it_is(
    make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with caplog.at_level("INFO"):
        set_threads(make_config(), 10**9)
    assert torch.get_num_threads() == TWO
    assert "threads: 2; with threads=1 the last digits are the same on every machine" in caplog.text
    set_threads(make_config(), 10)  # too small to gain from a second
    assert torch.get_num_threads() == 1
    torch.set_num_threads(TWO)
    set_threads(make_config("threads=1"), 10**9)
    assert torch.get_num_threads() == 1


def test_hyper_threads_of_one_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        (tmp_path / f"cpu{n}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{n}" / "topology" / "thread_siblings_list").write_text(f"{n % 2},{n % 2 + 2}\n")
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    monkeypatch.setattr(machine, "available_cores", lambda: 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert machine.physical_cores() == TWO
    monkeypatch.setattr(machine, "CPUS", tmp_path / "not Linux")
    assert machine.physical_cores() == 4


def test_the_jobs_of_a_sweep_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(machine, "physical_cores", lambda: 16)
    assert [share_of_threads(n) for n in (1, 3, 16, 20)] == [16, 5, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # the user's own limit
    assert [share_of_threads(n) for n in (1, 3)] == [4, 1]


def test_a_resumed_run_keeps_its_number_of_threads(
    make_config: Callable[..., Config],
    tiny: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For example on a machine with fewer cores."""
    config = make_config(*tiny, "trainer.max_steps=2", f"run_dir={tmp_path}")
    for cores in ("2", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", cores)
        with caplog.at_level("INFO"):
            run.train(config, measure)
        assert json.loads((tmp_path / "results.json").read_text())["threads"] == TWO
        (tmp_path / "results.json").unlink()
    assert caplog.text.count("threads: 2, as the run began with, instead of 1") == 1


@pytest.mark.slow
def test_alone_and_in_a_sweep_results_say_how_many(tiny: list[str], tmp_path: Path) -> None:
    """With OMP_NUM_THREADS=2 standing for two cores: two for a run alone, one for each of two jobs at once."""
    command = [sys.executable, "train.py", *tiny, "trainer.max_steps=2", f"output_dir={tmp_path}", "sweep_name=s"]
    for more in (["seed=1"], ["-m", "seed=2,3", "hydra.launcher.n_jobs=2"]):
        subprocess.run([*command, *more], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "2"}, check=True)
    found = {p: json.loads(p.read_text())["threads"] for p in tmp_path.rglob("results.json")}
    assert sorted((path.relative_to(tmp_path).parts[0], threads) for path, threads in found.items()) == [
        ("runs", 2),
        ("sweeps", 1),
        ("sweeps", 1),
    ]
