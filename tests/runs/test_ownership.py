"""A run changes only files in its folder that runs wrote there."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from embedlab.config.errors import UserError
from embedlab.runs.ownership import (
    MARK,
    check_folder,
    claim,
    find_foreign_files,
    is_marked,
    note_process,
    own_events,
    own_history,
)
from embedlab.runs.rollback import Rollback
from embedlab.training.resume import history


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def event_file(folder: Path, pid: int | None = None, age: float = 0, host: str = "") -> Path:
    """Write an event file with the name that TensorBoard would give it."""
    name = f"{time.time() - age:010.0f}.{host or socket.gethostname()}.{pid or os.getpid()}.0"
    return put(folder / "tensorboard" / f"events.out.tfevents.{name}", "0123456789")


def test_an_empty_folder_is_claimed_and_may_get_other_files_later(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    claim(tmp_path / "new")
    assert is_marked(tmp_path / "new")
    put(tmp_path / "new" / "notes.txt")  # of the user's, in a run's folder
    assert find_foreign_files(tmp_path / "new") == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"made_by": "another"}', "\xff"])
def test_a_marker_of_another_program_is_ignored(tmp_path: Path, content: str) -> None:
    put(tmp_path / MARK, content)
    with pytest.raises(UserError, match=r"\(\.embedlab\): give a new or an empty folder"):
        claim(tmp_path)
    assert (tmp_path / MARK).read_text() == content


def test_event_files_are_recognised_by_host_process_and_time(tmp_path: Path) -> None:
    note_process(tmp_path)
    with open(tmp_path / MARK, "a") as file:
        file.write('{"host": "cut off by a ki')
    ours = event_file(tmp_path)
    projector = f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.projector"
    ours_too = put(tmp_path / "tensorboard" / "projector" / "end" / projector)
    others = [event_file(tmp_path, pid=1), event_file(tmp_path, age=60), event_file(tmp_path, host="elsewhere")]
    assert set(own_events(tmp_path)) == {ours, ours_too}

    history.truncate(tmp_path, 5, {ours.relative_to(tmp_path).as_posix(): 4})
    assert ours.read_text() == "0123"
    assert not ours_too.exists(), "written after the checkpoint"
    assert all(other.read_text() == "0123456789" for other in others)


def test_starting_again_clears_only_files_of_the_run(tmp_path: Path) -> None:
    note_process(tmp_path)
    theirs = [
        put(tmp_path / "checkpoints" / "mine.pt"),
        put(tmp_path / "tensorboard" / "projector" / "end" / "notes.tsv"),
        put(tmp_path / "tensorboard" / "plot.png"),
        event_file(tmp_path, pid=1),
        put(tmp_path / "tokens.txt"),
    ]
    ours = [
        put(tmp_path / "metrics.csv"),
        put(tmp_path / "checkpoints" / "last.ckpt"),
        put(tmp_path / "checkpoints" / ".last.ckpt.part"),
        put(tmp_path / "tensorboard" / "projector" / "end" / "0.f32"),
        event_file(tmp_path),
    ]
    history.clear(tmp_path)
    assert all(path.exists() for path in theirs)
    assert not any(path.exists() for path in ours)


def test_nothing_is_cleared_without_a_marker(tmp_path: Path) -> None:
    put(tmp_path / "metrics.csv")
    assert list(own_history(tmp_path)) == []
    history.clear(tmp_path)
    assert (tmp_path / "metrics.csv").exists()


def test_a_foreign_metrics_csv_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "metrics.csv", "epoch,loss\n1,2\n")
    with pytest.raises(UserError, match="was not written by a run"):
        history.truncate(tmp_path, 0, {})
    path.write_text("step,train/loss\n1,2\n2,3\n,note\n")
    history.truncate(tmp_path, 2, {})
    assert path.read_text().splitlines() == ["step,train/loss", "1,2", ",note"]


def test_a_finished_run_of_an_earlier_version_is_recognised(tmp_path: Path) -> None:
    path = put(tmp_path / "results.json", json.dumps({"config": {}, "position": "none"}))
    assert find_foreign_files(tmp_path) == ["results.json"]
    path.write_text(json.dumps({"config": {}, "position": "none", "parameters": {}, "cautions": []}))
    assert find_foreign_files(tmp_path) == []


def test_a_command_that_fails_restores_the_record_of_the_run(tmp_path: Path) -> None:
    record = put(tmp_path / "run" / ".hydra" / "overrides.yaml", "- seed=1\n")
    rollback = Rollback(tmp_path / "run")
    record.write_text("- seed=2\n")
    put(tmp_path / "run" / "train.log")
    rollback.restore_folder(log="train.log")
    assert record.read_text() == "- seed=1\n"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".hydra"]


def test_a_command_that_fails_keeps_a_run_of_another_process(tmp_path: Path) -> None:
    rollback = Rollback(tmp_path / "run")
    put(tmp_path / "run" / ".running")
    rollback.restore_folder(log="train.log")
    assert (tmp_path / "run" / ".running").exists()
