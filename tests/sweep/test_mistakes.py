"""A mistake in one of many values is one line before anything starts, and leaves nothing behind."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("position=none,rotary,rotry", "error: position=rotry is unknown"),
        ("sed=1,2", "error: sed=1 names no setting"),
        ("seed=1,x", "error: seed=x cannot be used: give a whole number"),
        ("hydra.launcher.n_jobs=0", "error: hydra.launcher.n_jobs=0 runs no job"),
        ("hydra.launcher.n_jobs=-1", "error: hydra.launcher.n_jobs=-1 runs no job"),
        ("hydra.launcher.n_jobs=many", "error: hydra.launcher.n_jobs=many runs no job"),
        ("hydra.sweep.subdir=x", "error: hydra.sweep.subdir gives job 1 of 2"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(run: Run, tmp_path: Path, mistake: str, message: str) -> None:
    ended = run("-m", "model.dropout=0,0.1", mistake, f"hydra.sweep.dir={tmp_path}/new/sweep")
    assert ended.returncode == 1
    assert ended.stdout.startswith(message) and ended.stdout.count("\n") == 1, ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert run("-m", "seed=1,x", f"hydra.sweep.dir={tmp_path}/mine/sweep").returncode == 1
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


@pytest.mark.slow
def test_settings_that_do_not_fit_are_reported_before_any_job_starts(run: Run) -> None:
    """The other jobs run: in a grid of widths and heads, some pairs may not fit."""
    ended = run("-m", "seed=-1,1", "trainer.max_steps=1")
    assert ended.returncode == 1 and "sweep of 2 jobs: 1 finished, 1 failed" in ended.stdout, ended.stdout
    first, *others = ended.stdout.splitlines()
    assert first.startswith("job 1 of 2: seed=-1 — seed=-1")
    assert any(line.startswith("job 2 of 2: seed=1 — test ") for line in others)


@pytest.mark.slow
def test_another_sweeper_than_ours_runs_its_jobs_and_reads_what_they_return(run: Run, tmp_path: Path) -> None:
    ended = run("-m", "hydra/sweeper=basic", "seed=1,2", "trainer.max_steps=1")
    assert ended.returncode == 0, ended.stdout
    assert len(list(tmp_path.rglob("results.json"))) == 2
