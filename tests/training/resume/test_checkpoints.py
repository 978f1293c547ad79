"""Checkpoint files: complete or absent; damaged ones are reported, untrusted ones run no code."""

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
from embedlab.runs.same_inputs import Inputs
from embedlab.training.resume.checkpoints import AtomicCheckpointIO, find_newest_intact
from embedlab.training.run import find_checkpoint_to_resume


def save(folder: Path, value: float) -> None:
    AtomicCheckpointIO().save_checkpoint({"x": torch.full((1000,), value)}, folder / LAST)


def value_of(folder: Path) -> float:
    found = find_newest_intact(folder)
    assert found is not None
    return float(found[1]["x"][0])


def test_the_previous_checkpoint_is_kept(tmp_path: Path) -> None:
    assert find_newest_intact(tmp_path) is None
    for value in (1.0, 2.0, 3.0):
        save(tmp_path, value)
        assert value_of(tmp_path) == value
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, PREVIOUS]
    (tmp_path / LAST).unlink()  # a kill between the two renames
    assert value_of(tmp_path) == 2.0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "code"])
def test_a_damaged_checkpoint_is_logged_and_the_previous_one_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    save(tmp_path, 1.0)
    save(tmp_path, 2.0)
    path = tmp_path / LAST
    content = path.read_bytes()
    middle = content.index(torch.full((10,), 2.0).numpy().tobytes()) + 20
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(trap), "w")

    if damage == "code":
        torch.save({"x": Trap()}, path, pickle_module=pickle)
    else:
        damaged = {
            "cut": content[: len(content) // 2],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
        }
        path.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        assert value_of(tmp_path) == 1.0
    assert f"{path} is damaged" in caplog.text
    assert not trap.exists()


def test_a_checkpoint_without_a_state_is_refused_in_one_line(
    tmp_path: Path, make_config: Callable[..., Config]
) -> None:
    """As saved by embedlab 0.2.0 with callbacks.last=null, or by another program."""
    (tmp_path / "checkpoints").mkdir()
    save(tmp_path / "checkpoints", 1.0)
    with pytest.raises(UserError, match=r"last\.ckpt cannot be resumed from: .*: start a new run$"):
        find_checkpoint_to_resume(make_config(), tmp_path, Inputs(None, {}))


def test_a_checkpoint_of_other_random_streams_is_refused_in_one_line(
    tmp_path: Path, make_config: Callable[..., Config]
) -> None:
    """The rest of the run would see the text in another order; versions up to 0.2.0 recorded no number of streams."""
    (tmp_path / "checkpoints").mkdir()
    AtomicCheckpointIO().save_checkpoint({"embedlab": {"config": {}}}, tmp_path / "checkpoints" / LAST)
    with pytest.raises(UserError, match=r"last\.ckpt cannot be resumed from: .* other numbers .*: start a new run$"):
        find_checkpoint_to_resume(make_config(), tmp_path, Inputs(None, {}))


def test_a_run_that_saved_nothing_logs_that_it_starts_from_the_beginning(
    tmp_path: Path, make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    assert find_checkpoint_to_resume(make_config(), tmp_path, Inputs(None, {})) is None
    assert caplog.text == ""
    note_process(tmp_path)
    assert find_checkpoint_to_resume(make_config(), tmp_path, Inputs(None, {})) is None
    assert "no checkpoint was saved before the run was stopped: starting from the beginning" in caplog.text


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1.0)
    code = (
        "import sys; from pathlib import Path; import torch; from embedlab.training.resume.checkpoints import *\n"
        "AtomicCheckpointIO().save_checkpoint({'x': torch.zeros(100_000)}, Path(sys.argv[1]) / LAST)"
    )

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, preexec_fn=limit_file_size
    )
    assert ended.returncode == 1
    assert "UserError" in ended.stderr and "cannot be written (File too large): make room" in ended.stderr
    assert value_of(tmp_path) == 1.0
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
