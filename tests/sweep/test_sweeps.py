"""Sweeps that survive failed jobs, kills and one another."""

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.commands import ROOT, Command

Run = Callable[..., subprocess.CompletedProcess[str]]
BREAKING = "+callbacks.breaking._target_=tests.sweep.breaking.Breaking"
pytestmark = pytest.mark.slow


def folders(top: Path, sweep: str = "default") -> dict[str, Path]:
    """Return the job folders of a sweep by their seed."""
    found = {}
    for path in (top / "sweeps" / sweep).glob("*/.hydra/config.yaml"):
        line = next(line for line in path.read_text().splitlines() if line.startswith("seed:"))
        found[line.removeprefix("seed: ")] = path.parents[1]
    return found


def weights(folder: Path) -> str:
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()


def trained(folder: Path) -> int:
    """Return how many times training started in the folder."""
    return (folder / "train.log").read_text().count("position learned: ")


def test_a_failed_job_is_reported_and_the_same_command_finishes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAK", "2:raise")
    first = run("-m", "seed=1,2,3", BREAKING)
    assert first.returncode == 1, first.stdout
    assert "job 2 of 3: seed=2 — failed: RuntimeError: broken on purpose" in first.stdout
    assert "sweep of 3 jobs: 2 finished, 1 failed" in first.stdout
    line = r"^job 3 of 3: seed=3 — test \d\.\d{3} bits/byte, trained in \d+ s"
    assert re.search(line, first.stdout, re.MULTILINE), first.stdout
    jobs = folders(tmp_path)
    assert "Traceback" in (jobs["2"] / "error.txt").read_text()
    before = {seed: (jobs[seed] / "results.json").stat().st_mtime_ns for seed in "13"}

    monkeypatch.delenv("BREAK")
    second = run("-m", "seed=1,2,3", BREAKING)
    assert second.returncode == 0, second.stdout
    assert "job 1 of 3: seed=1 — finished before, skipped" in second.stdout
    assert "sweep of 3 jobs: 1 finished, 2 skipped" in second.stdout
    assert not (jobs["2"] / "error.txt").exists()
    assert before == {seed: (jobs[seed] / "results.json").stat().st_mtime_ns for seed in "13"}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_two_commands_and_a_kill_train_each_job_once(command: Command, run: Run, tmp_path: Path, n_jobs: int) -> None:
    arguments = ("-m", "seed=1,2,3,4", "trainer.max_steps=60", "callbacks.last.seconds=0")
    arguments = (*arguments, f"hydra.launcher.n_jobs={n_jobs}")
    both = [
        subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    until = time.monotonic() + 120
    while not list(tmp_path.glob("sweeps/*/*/checkpoints/last.ckpt")) and time.monotonic() < until:
        time.sleep(0.02)
    both[0].kill()
    both[0].communicate()
    output, _ = both[1].communicate(timeout=240)
    assert both[1].returncode == 0, output
    again = run(*arguments)
    assert again.returncode == 0 and "sweep of 4 jobs: 4 skipped" in again.stdout, again.stdout
    jobs = folders(tmp_path)
    assert sorted(jobs) == ["1", "2", "3", "4"]
    assert sum(map(trained, jobs.values())) <= 4 + n_jobs, output  # the killed command's jobs were resumed once
    resumed = [path for path in jobs.values() if "resuming from step" in (path / "train.log").read_text()]
    assert len(resumed) <= n_jobs


def test_signals_end_a_run_after_a_step_and_it_resumes(command: Command, run: Run, tmp_path: Path) -> None:
    arguments = ("trainer.max_steps=200", "trainer.val_check_interval=50")
    whole = tmp_path / "whole"
    assert run(*arguments, f"hydra.run.dir={whole}").returncode == 0
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        stopped = tmp_path / f"stopped_{status}"
        process = subprocess.Popen(
            command(*arguments, f"hydra.run.dir={stopped}"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        while "step 20 of" not in (line := process.stdout.readline()):
            assert line, "ended before its 20th step"
        process.send_signal(number)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == status, output
        assert f"to resume: python train.py resume={stopped}" in output
        assert not (stopped / "results.json").exists()
        again = [*command()[:2], f"resume={stopped}"]
        ended = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
        assert weights(stopped) == weights(whole)


def test_a_job_gives_the_same_bits_alone_and_beside_another(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    assert run("seed=2", f"hydra.run.dir={alone}").returncode == 0
    expected = weights(alone)
    for n_jobs in ("1", "2", "null"):
        ended = run("-m", "seed=1,2", f"hydra.launcher.n_jobs={n_jobs}", f"sweep_name=jobs{n_jobs}")
        assert ended.returncode == 0, ended.stdout
        assert weights(folders(tmp_path, f"jobs{n_jobs}")["2"]) == expected, n_jobs


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_killed_process_is_reported_and_the_others_finish(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_jobs: int
) -> None:
    monkeypatch.setenv("BREAK", "2:kill")
    ended = run("-m", "seed=1,2,3", BREAKING, f"hydra.launcher.n_jobs={n_jobs}")
    assert ended.returncode == 1, ended.stdout
    assert "seed=2 — failed: its process was killed by signal 9" in ended.stdout, ended.stdout
    assert "2 finished, 1 failed" in ended.stdout
    monkeypatch.delenv("BREAK")
    again = run("-m", "seed=1,2,3", BREAKING)
    assert again.returncode == 0 and "1 finished, 2 skipped" in again.stdout, again.stdout


def test_two_processes_train_as_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ("model.dropout=0", "trainer.max_steps=12")
    one, two, broken = (tmp_path / name for name in ("one", "two", "broken"))
    ddp = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", *plain)
    assert run(*plain, f"hydra.run.dir={one}").returncode == 0
    ended = run(*ddp, f"hydra.run.dir={two}")
    assert ended.returncode == 0, ended.stdout
    rows = [(path / "metrics.csv").read_text().splitlines() for path in (one, two)]
    assert len(rows[0]) == len(rows[1]) > 3
    column = rows[0][0].split(",").index("train/loss")
    for left, right in zip(rows[0][1:], rows[1][1:], strict=True):
        if left.split(",")[column]:
            assert float(left.split(",")[column]) == pytest.approx(float(right.split(",")[column]), rel=1e-5)
    monkeypatch.setenv("BREAK", "42:rank")
    started = time.monotonic()
    ended = run(*ddp, BREAKING, f"hydra.run.dir={broken}")
    assert ended.returncode == 1 and "broken on purpose" in ended.stdout, ended.stdout
    assert time.monotonic() - started < 60
    assert not os.path.exists(broken / "results.json")


def test_a_sweep_until_decided_adds_rounds_and_continues_them(run: Run, tmp_path: Path) -> None:
    arguments = ("-m", "position=none,learned", "trainer.max_steps=2", "hydra.sweeper.until=decided")
    first = run(*arguments, "hydra.sweeper.looks=[2]")
    assert first.returncode == 0, first.stdout
    assert "sweep of 4 jobs: 4 finished" in first.stdout
    assert "The sweep looks at 2 seeds, and every p-value is corrected for all looks" in " ".join(first.stdout.split())
    other = run(*arguments, "hydra.sweeper.looks=[2,3]")
    assert other.returncode == 1 and "give sweep_name=ANOTHER" in other.stdout, other.stdout

    (tmp_path / "sweeps" / "default" / "plan.json").unlink()  # two steps decide nothing: a second round follows
    again = run(*arguments, "hydra.sweeper.looks=[2,3]")
    assert again.returncode == 0, again.stdout
    assert "until=decided: 2 more jobs, with more seeds for 2 settings" in again.stdout
    assert "sweep of 6 jobs: 2 finished, 4 skipped" in again.stdout
    rerun = run(*arguments, "hydra.sweeper.looks=[2,3]")
    assert rerun.returncode == 0 and "sweep of 6 jobs: 6 skipped" in rerun.stdout, rerun.stdout


def test_a_sweep_until_decided_refuses_seeds(run: Run) -> None:
    refused = run("-m", "seed=1,2", "hydra.sweeper.until=decided")
    assert refused.returncode == 1 and "Traceback" not in refused.stdout
    assert "error: seed=1,2 with hydra.sweeper.until=decided, which chooses the seeds" in refused.stdout
