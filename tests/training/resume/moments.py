"""A callback that does something at a given moment of a run, as the environment says: the settings stay the same.

MOMENT=on_train_batch_end:6:kill: what to do when the hook is called after so many steps (of rank MOMENT_RANK: 0).
PACE=0.5: seconds that each step takes longer.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer


class Moments(Callback):
    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        time.sleep(float(os.environ.get("PACE", "0")))
        happen("on_train_batch_start", trainer)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        happen("on_train_batch_end", trainer)

    def on_validation_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        happen("on_validation_batch_end", trainer)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        happen("on_validation_end", trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        happen("on_train_epoch_end", trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        happen("on_train_end", trainer)

    def on_results(self, trainer: Trainer, results: dict[str, Any]) -> None:
        happen("on_results", trainer)


def fill(path: Path, room: int) -> None:
    """Leave room for so many bytes and no page more."""
    with suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    os.truncate(path, path.stat().st_size - room)


def happen(hook: str, trainer: Trainer) -> None:
    moment = f"{hook}:{trainer.global_step}:"
    wanted = os.environ.get("MOMENT", "")
    if wanted.startswith(moment) and trainer.global_rank == int(os.environ.get("MOMENT_RANK", "0")):
        with open(os.environ["MOMENT_FILE"], "a") as file:  # when it happened
            file.write(f"{time.time()}\n")
        match wanted.removeprefix(moment):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fill":  # the disk of MOMENT_FILE
                fill(Path(os.environ["MOMENT_FILE"]).with_name("filler"), room=0)
            case "fill_nearly":
                fill(Path(os.environ["MOMENT_FILE"]).with_name("filler"), room=100_000)
            case "raise":
                raise RuntimeError("broken on purpose")
            case unknown:
                raise AssertionError(unknown)
