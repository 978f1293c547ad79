"""A callback that acts at a given moment of a run. Environment variables choose it, so that settings stay the same.

MOMENT=on_train_batch_end:6:kill: hook, number of steps done, action; MOMENT_RANK: the rank that acts, by default 0.
PACE=0.5: additional seconds for each step.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning import Callback, LightningModule, Trainer


class Moments(Callback):
    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        time.sleep(float(os.environ.get("PACE", "0")))
        act("on_train_batch_start", trainer)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        act("on_train_batch_end", trainer)

    def on_validation_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        act("on_validation_batch_end", trainer)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        act("on_validation_end", trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        act("on_train_epoch_end", trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        act("on_train_end", trainer)

    def on_results(self, trainer: Trainer, results: dict[str, Any]) -> None:
        act("on_results", trainer)


def fill(path: Path, room: int) -> None:
    """Fill the disk until only `room` bytes are free, also if another process does so at the same time."""
    with FileLock(path.with_suffix(".lock")):
        with suppress(OSError), open(path, "ab", buffering=0) as file:  # appends: the disk stays full meanwhile
            while True:
                file.write(b"x" * 4096)
        os.truncate(path, path.stat().st_size - room)


def act(hook: str, trainer: Trainer) -> None:
    moment = f"{hook}:{trainer.global_step}:"
    wanted = os.environ.get("MOMENT", "")
    if wanted.startswith(moment) and trainer.global_rank == int(os.environ.get("MOMENT_RANK", "0")):
        with open(os.environ["MOMENT_FILE"], "a") as file:  # the time of the action
            file.write(f"{time.time()}\n")
        match wanted.removeprefix(moment):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fill":  # the disk that holds MOMENT_FILE
                fill(Path(os.environ["MOMENT_FILE"]).with_name("filler"), room=0)
            case "fill_nearly":
                fill(Path(os.environ["MOMENT_FILE"]).with_name("filler"), room=100_000)
            case "raise":
                raise RuntimeError("broken on purpose")
            case unknown:
                raise AssertionError(unknown)
