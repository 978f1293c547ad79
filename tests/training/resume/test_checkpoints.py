"""Checkpoint files: whole or not there, damaged ones told, untrusted ones harmless."""

import logging
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.runs.folder import LAST, PREVIOUS
from embedlab.runs.ownership import note_process
from embedlab.training.resume.checkpoints import AtomicCheckpointIO, newest_whole
from embedlab.training.run import take_up


def save(folder: Path, value: float) -> None:
    AtomicCheckpointIO().save_checkpoint({"x": torch.full((1000,), value)}, folder / LAST)


def value_of(folder: Path) -> float:
    found = newest_whole(folder)
    assert found is not None
    return float(found[1]["x"][0])


def test_keeps_the_one_before(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) is None
    for value in (1.0, 2.0, 3.0):
        save(tmp_path, value)
        assert value_of(tmp_path) == value
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, PREVIOUS]
    (tmp_path / LAST).unlink()  # a kill between the two renames
    assert value_of(tmp_path) == 2.0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "code"])
def test_a_damaged_one_is_told_and_the_one_before_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    save(tmp_path, 1.0)
    save(tmp_path, 2.0)
    path = tmp_path / LAST
    whole = path.read_bytes()
    middle = whole.index(torch.full((10,), 2.0).numpy().tobytes()) + 20
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(trap), "w")

    if damage == "code":
        torch.save({"x": Trap()}, path, pickle_module=pickle)
    else:
        content = {
            "cut": whole[: len(whole) // 2],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "empty": b"",
        }
        path.write_bytes(content[damage])
    with caplog.at_level(logging.WARNING):
        assert value_of(tmp_path) == 1.0
    assert f"{path} is damaged" in caplog.text
    assert not trap.exists()


def test_a_checkpoint_without_a_state_is_told_in_one_line(tmp_path: Path, make_config: Callable[..., Config]) -> None:
    """As embedlab 0.2.0 saved it with callbacks.last=null, or another program."""
    (tmp_path / "checkpoints").mkdir()
    save(tmp_path / "checkpoints", 1.0)
    with pytest.raises(UserError, match=r"last\.ckpt cannot be resumed from: .*: start a new run$"):
        take_up(make_config(), tmp_path)


def test_a_run_that_saved_nothing_says_that_it_starts_anew(
    tmp_path: Path, make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    assert take_up(make_config(), tmp_path) is None
    assert caplog.text == ""
    note_process(tmp_path)
    assert take_up(make_config(), tmp_path) is None
    assert "no checkpoint was saved before the run was stopped: starting anew" in caplog.text


def test_a_full_disk_leaves_the_last_good_one(tmp_path: Path) -> None:
    save(tmp_path, 1.0)
    code = (
        "import sys; from pathlib import Path; import torch; from embedlab.training.resume.checkpoints import *\n"
        "AtomicCheckpointIO().save_checkpoint({'x': torch.zeros(100_000)}, Path(sys.argv[1]) / LAST)"
    )

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, preexec_fn=little_room
    )
    assert ended.returncode == 1
    assert "UserError" in ended.stderr and "cannot be written (File too large): make room" in ended.stderr
    assert value_of(tmp_path) == 1.0
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
