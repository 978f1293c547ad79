"""Ctrl-C, SIGTERM, a closed terminal and kill -9 of a sweep: jobs save, no process is left, a rerun resumes them."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_undisturbed
from tests.started import Started, count_progress_lines, last_step
from tests.training.resume.test_kill import bits

SECONDS = 20  # from the signal until no process is left; it takes 1 to 3 on an idle machine
SWEEP = (
    "-m",
    "seed=1,2",
    "hydra.sweep.subdir=${seed}",
    "trainer.max_steps=400",  # more than the first job does before the second begins, where the machine is busy
    "trainer.val_check_interval=20",
    "+callbacks.progress.lines=400",
    "data.num_workers=1",
    "+callbacks.moments._target_=tests.training.resume.moments.Moments",
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def left_alone(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the bits of a sweep that was not stopped."""
    jobs = run_undisturbed([*tiny, *SWEEP], tmp_path_factory.mktemp("left_alone"))
    return {seed: bits(jobs / seed) for seed in "12"}


@pytest.mark.parametrize(
    ("n_jobs", "at_once", "stops"),
    [
        (1, "1", [signal.SIGINT, signal.SIGTERM]),
        (2, "12", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]),
    ],
)
def test_a_stopped_sweep_saves_leaves_no_process_and_resumes(
    start: Callable[..., Started],
    left_alone: dict[str, Any],
    tmp_path: Path,
    n_jobs: int,
    at_once: str,
    stops: list[signal.Signals],
) -> None:
    """`at_once` holds the seeds whose jobs run at the same time."""
    arguments = (*SWEEP, f"hydra.launcher.n_jobs={n_jobs}")
    running = [tmp_path / "sweeps" / "default" / seed for seed in at_once]
    for number in stops:
        before = [(folder, count_progress_lines(folder), last_step(folder)) for folder in running]
        sweep = start(*arguments, PACE="0.3")
        sweep.wait_for(lambda before=before: all(count_progress_lines(folder) > lines for folder, lines, _ in before))
        sweep.stop(number, to_group=number == signal.SIGTERM and n_jobs == 2)
        status, seconds = sweep.end()
        print(f"\nn_jobs={n_jobs}, {number.name}: nothing left after {seconds:.1f} s")
        assert status == (-number if number in (signal.SIGKILL, signal.SIGHUP) else 128 + number), sweep.output
        assert seconds < SECONDS
        assert "Traceback" not in sweep.output, sweep.output
        for folder, _, step_before in before:
            step = last_step(folder)
            assert step_before < step < 400, sweep.output
            assert f"stopped at step {step}, saved" in (folder / "train.log").read_text()
            assert not (folder / "results.json").exists()
    sweep = start(*arguments)
    assert sweep.end()[0] == 0, sweep.output
    assert "sweep of 2 jobs: 2 finished" in sweep.output
    assert {seed: bits(tmp_path / "sweeps" / "default" / seed) for seed in "12"} == left_alone
