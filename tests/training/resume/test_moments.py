"""kill -9 at the worst moments: rerunning the command ends with the same bits as a run that was never killed."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.runs.folder import LAST, PREVIOUS
from embedlab.training import run as training
from tests.training.resume.test_kill import bits

MakeConfig = Callable[..., Config]
MOMENTS = [  # hook:steps done; an epoch has 7 steps; validation and last.ckpt come after every 4
    "on_train_batch_start:6",  # within an epoch
    "on_train_batch_end:7",  # an epoch's last step is done, but not the epoch
    "on_train_epoch_end:7",
    "on_train_batch_start:7",  # the first batch of the next epoch is taken
    "on_validation_batch_end:8",
    "on_validation_end:12",  # best.ckpt is new, last.ckpt is not yet
    "on_train_end:16",
    "half written",
    "between the renames",
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning"),
]


@pytest.fixture
def run(make_config: MakeConfig, tiny: list[str], tmp_path: Path) -> Callable[..., tuple[int | None, Path]]:
    """run("name", moment) -> (exit code, folder) of a training process with dropout and a data worker."""

    def run(name: str, moment: str = "") -> tuple[int | None, Path]:
        folder = tmp_path / name
        config = make_config(
            *tiny,
            "data.num_workers=1",
            "callbacks.layout=null",
            "callbacks.hparams=null",
            "+callbacks.moments._target_=tests.training.resume.moments.Moments",
            f"run_dir={folder}",
        )
        process = multiprocessing.get_context("fork").Process(target=train, args=(config, moment, tmp_path))
        process.start()  # a fork has the imports already, which saves seconds
        process.join(240)
        return process.exitcode, folder

    torch.set_num_threads(1)
    return run


def train(config: Config, moment: str, folder: Path) -> None:
    logging.basicConfig(filename=folder / "log", level=logging.INFO, force=True)
    os.environ |= {"MOMENT": f"{moment}:kill", "MOMENT_FILE": str(folder / "moment")}
    if " " in moment:
        kill_while_saving(moment)
    training.train(config, measure)


def kill_while_saving(moment: str) -> None:
    """Kill this process at its second last.ckpt, when the first is to become previous.ckpt."""
    replace, fsync = os.replace, os.fsync

    def killing_replace(source: Any, target: Any) -> None:
        if Path(target).name == LAST and Path(target).with_name(PREVIOUS).exists() and moment == "between the renames":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    def killing_fsync(file: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        if path.name.startswith(f".{LAST}.") and path.with_name(LAST).exists() and moment == "half written":
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    os.replace, os.fsync = killing_replace, killing_fsync


def test_killed_at_each_moment(run: Callable[..., tuple[int | None, Path]]) -> None:
    status, uninterrupted = run("uninterrupted")
    assert status == 0
    expected = bits(uninterrupted)
    for moment in MOMENTS:
        status, folder = run(moment, moment)
        assert status == -signal.SIGKILL, moment
        names = {path.name for path in (folder / "checkpoints").iterdir()}
        assert (LAST in names) == (moment != "between the renames"), moment
        status, folder = run(moment)
        assert (moment, status) == (moment, 0)
        assert (moment, bits(folder)) == (moment, expected)


def test_a_damaged_checkpoint_is_logged_and_nothing_is_lost(
    run: Callable[..., tuple[int | None, Path]], tmp_path: Path
) -> None:
    """Cut or one wrong bit: the previous one is used; if both are damaged, the run logs that it starts again."""
    _, uninterrupted = run("uninterrupted")
    expected = bits(uninterrupted)
    for name, damaged in (("cut", [LAST]), ("flipped", [LAST]), ("both", [LAST, PREVIOUS])):
        run(name, "on_train_batch_start:10")
        checkpoints = uninterrupted.with_name(name) / "checkpoints"
        for file in damaged:
            content = bytearray((checkpoints / file).read_bytes())
            content[len(content) // 2] ^= 1
            (checkpoints / file).write_bytes(content[: len(content) // 2] if name == "cut" else content)
        (tmp_path / "log").unlink()
        status, folder = run(name)
        assert (name, status) == (name, 0)
        logged = (tmp_path / "log").read_text()
        for file in damaged:
            assert sum(f"{checkpoints / file} is damaged" in line for line in logged.splitlines()) == 1, logged
        assert ("no checkpoint is intact: starting from the beginning" in logged) == (name == "both"), logged
        assert ("resuming from step 4" in logged) == (name != "both"), logged
        assert (name, bits(folder)) == (name, expected)
