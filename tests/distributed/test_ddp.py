"""A sweep whose jobs have two processes each: as exact as with one, ended in seconds if one fails, and resumed."""

import csv
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.commands import run_undisturbed
from tests.started import Started, count_progress_lines, last_step
from tests.training.resume.test_kill import bits

SECONDS = 15  # from a failure until no process is left; it takes 1 to 2 on an idle machine
RUN = (
    "-m",
    "hydra.sweep.subdir=${model.dropout}",
    "data.max_eval_tokens=528",  # 33 windows, which two processes cannot share equally
    "+callbacks.progress.lines=16",
    "+callbacks.moments._target_=tests.training.resume.moments.Moments",
)
TWO = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def left_alone(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep on two processes; return the folder of its jobs, 0.0 and 0.2, named by their dropout."""
    return run_undisturbed([*tiny, *RUN, *TWO, "model.dropout=0.0,0.2"], tmp_path_factory.mktemp("left_alone"))


def test_two_processes_score_and_log_as_one(start: Callable[..., Started], left_alone: Path, tmp_path: Path) -> None:
    alone = start(*RUN, "model.dropout=0.0")
    assert alone.end()[0] == 0, alone.output
    assert sorted(path.name for path in left_alone.iterdir() if path.is_dir()) == ["0.0", "0.2"]
    one, two = tmp_path / "sweeps" / "default" / "0.0", left_alone / "0.0"
    results = [json.loads((folder / "results.json").read_text()) for folder in (one, two)]
    for part in ("val", "test"):
        assert results[1][part] == pytest.approx(results[0][part], rel=1e-5)
    rows = [scalars_of_csv(folder) for folder in (one, two)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    for expected, row in zip(*rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    assert len(list(two.glob("tensorboard/events.*"))) == 1
    assert steps_of_events(two) == steps_of_events(one)


def test_ranks_draw_different_dropout_masks(left_alone: Path) -> None:
    checkpoint = torch.load(left_alone / "0.2" / "checkpoints" / "last.ckpt", weights_only=True)
    first, second = (state["torch"] for state in checkpoint["embedlab"]["random"])
    assert not torch.equal(first, second)


def scalars_of_csv(folder: Path) -> list[dict[str, float]]:
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if v and "per_second" not in k} for row in csv.DictReader(file)]


def steps_of_events(folder: Path) -> dict[str, list[int]]:
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_failures_end_in_seconds_and_a_rerun_resumes(
    start: Callable[..., Started], left_alone: Path, tmp_path: Path
) -> None:
    arguments = (*RUN, *TWO, "model.dropout=0.2")
    folder, happened = tmp_path / "sweeps" / "default" / "0.2", tmp_path / "happened"
    failures: list[tuple[str, dict[str, Any], str]] = [
        ("on_train_batch_end:6:kill", {"MOMENT_RANK": "1"}, "one of its 2 processes was killed by signal 9"),
        ("on_validation_batch_end:8:kill", {"MOMENT_RANK": "0"}, "one of its 2 processes was killed by signal 9"),
        ("on_train_batch_end:9:raise", {"MOMENT_RANK": "1"}, "RuntimeError: broken on purpose"),
    ]
    for moment, rank, reason in failures:
        failed = start(*arguments, MOMENT=moment, MOMENT_FILE=str(happened), **rank)
        status, _ = failed.end()
        seconds = time.time() - float(happened.read_text())
        print(f"\n{moment}: nothing left after {seconds:.1f} s")
        assert status == 1 and f"failed: {reason}" in failed.output, failed.output
        assert "Connection" not in failed.output, failed.output  # what the other process sees of the failure
        assert seconds < SECONDS
        happened.unlink()
    for number in (signal.SIGINT, signal.SIGKILL):
        lines, step = count_progress_lines(folder), last_step(folder)
        stopped = start(*arguments, PACE="0.5")
        stopped.wait_for(lambda lines=lines: count_progress_lines(folder) > lines)
        stopped.stop(number)
        status, seconds = stopped.end()
        print(f"\n{number.name}: nothing left after {seconds:.1f} s")
        assert status == (130 if number == signal.SIGINT else -number), stopped.output
        assert seconds < SECONDS
        assert last_step(folder) > step or number == signal.SIGKILL
    whole = start(*arguments)
    assert whole.end()[0] == 0, whole.output
    assert bits(folder) == bits(left_alone / "0.2")
