"""A callback that breaks runs whose seeds the environment names: BREAK=2:raise,3:kill."""

import os
import signal

from lightning import Callback, LightningModule, Trainer


class Breaking(Callback):
    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        breaks = dict(one.split(":") for one in os.environ.get("BREAK", "").split(",") if one)
        how = breaks.get(str(module.config.seed))
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "raise" or (how == "rank" and trainer.global_rank == 1):
            raise RuntimeError("broken on purpose")
