"""A real disk of 3 MB that becomes full: one line, exit status 1, nothing saved is lost, the run resumes."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedlab.training.resume.checkpoints import find_newest_intact
from tests.commands import run_undisturbed
from tests.started import Started
from tests.training.resume.moments import fill
from tests.training.resume.test_kill import bits

RUN = (
    "trainer.max_steps=120",
    "trainer.val_check_interval=50",
    "callbacks.last.seconds=3600",  # no checkpoint but after a validation, however slow the machine is
    "trainer.log_every_n_steps=1",  # metrics.csv and event files outgrow their first page
    "+callbacks.moments._target_=tests.training.resume.moments.Moments",
)
SWEEP = ("-m", "seed=1,2", "hydra.sweep.subdir=${seed}", *RUN)
Start = Callable[..., Started]
pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 3 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture(scope="module")
def undisturbed(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Weights of a sweep with enough room, bit by bit."""
    jobs = run_undisturbed([*tiny, *SWEEP], tmp_path_factory.mktemp("undisturbed"))
    return {seed: bits(jobs / seed) for seed in "12"}


def errors_of(failed: Started) -> list[str]:
    """Return the error lines; anything else that looks like an error fails the test."""
    assert failed.end()[0] == 1, failed.output
    assert "Traceback" not in failed.output and "Logging error" not in failed.output, failed.output
    return [line for line in failed.output.splitlines() if line.startswith("error: ")]


def error_of(failed: Started) -> str:
    """Return the only error line."""
    lines = errors_of(failed)
    assert len(lines) == 1, failed.output
    return lines[0]


def test_a_run_resumes_after_room_was_made(start: Start, undisturbed: dict[str, Any], disk: Path) -> None:
    run = disk / "run"
    arguments = ["seed=1", *RUN, f"hydra.run.dir={run}"]
    for moment, step in (("on_train_batch_start:0", 0), ("on_train_batch_start:60", 50), ("on_results:120", 120)):
        failed = start(*arguments, MOMENT=f"{moment}:fill", MOMENT_FILE=str(disk / "moment"))
        line = error_of(failed)
        assert "cannot be written (No space left on device): make room and rerun the same command" in line
        assert line.endswith(f" with resume={run}")
        found = find_newest_intact(run / "checkpoints")
        assert (found[1]["global_step"] if found else 0) == step
        assert not (run / "results.json").exists() and not list(run.glob(".results*"))
        (disk / "filler").unlink()
        arguments = [f"resume={run}"]
    resumed = start(*arguments)
    assert resumed.end()[0] == 0, resumed.output
    assert bits(run) == undisturbed["1"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_sweep_resumes_after_room_was_made(
    start: Start, undisturbed: dict[str, Any], disk: Path, n_jobs: int
) -> None:
    """The first job at step 100 fills the disk; the other is anywhere then, and fails at what it writes next."""
    arguments = (*SWEEP, f"output_dir={disk}", f"hydra.launcher.n_jobs={n_jobs}")
    failed = start(*arguments, MOMENT="on_validation_end:100:fill_nearly", MOMENT_FILE=str(disk / "moment"))
    lines = errors_of(failed)
    assert "sweep of 2 jobs: 2 failed" in failed.output, failed.output
    assert len(lines) == 2, failed.output
    folders = {seed: disk / "sweeps" / "default" / seed for seed in "12"}
    steps = {}
    for seed, folder in folders.items():
        (line,) = (line for line in lines if f"job {seed} of 2: seed={seed} — " in line)
        assert re.search(rf" — {folder}\S* cannot be written \(No space left on device\): make room", line), line
        found = find_newest_intact(folder / "checkpoints")
        steps[seed] = found[1]["global_step"] if found is not None else 0
        assert not list((folder / "checkpoints").glob(".*"))
    if n_jobs == 1:
        assert f"{folders['1']}/checkpoints/last.ckpt cannot be written" in lines[0]
        assert steps["1"] == 50
    assert max(steps.values()) == 50 and min(steps.values()) in (0, 50), lines
    assert any(".ckpt cannot be written" in line for line in lines), lines
    (disk / "filler").unlink()
    resumed = start(*arguments)
    assert resumed.end()[0] == 0, resumed.output
    assert "sweep of 2 jobs: 2 finished" in resumed.output
    assert {seed: bits(folder) for seed, folder in folders.items()} == undisturbed


def test_a_disk_that_is_full_at_the_start(start: Start, disk: Path) -> None:
    filler = disk / "filler"
    fill(filler, room=0)
    line = error_of(start(*RUN, f"hydra.run.dir={disk / 'run'}"))
    assert line.endswith("cannot be written (No space left on device): make room and rerun the same command")
    filler.unlink()
    fill(filler, room=12_000)
    line = error_of(start(*RUN, f"cache_dir={disk}/cache"))
    assert line.startswith(f"error: the cache {disk}/cache/tokens cannot be written (")
    assert line.endswith("): give another cache_dir=FOLDER")
