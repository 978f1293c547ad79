"""The callback that saves last.ckpt between two steps; state.py says what stands in it."""

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Checkpoint

from embedlab.runs.folder import LAST
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.training.module import LanguageModule

log = logging.getLogger("embedlab")


class Checkpoints(Checkpoint):
    """Saves last.ckpt after each validation, and `seconds` after the last one was saved, between two steps.

    "Between two steps" is the moment when the loader is asked for the next batch: metrics are logged, validation is
    done, all of Lightning's counters agree. Its own hooks come earlier (on_train_batch_end: the step's metrics are not
    logged yet, a validation that is due would be left out) or later (on_train_batch_start: the batch is taken).
    Signals end the run there, after a last save.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.due = False
        self.received = 0  # signal
        self.received_at = 0.0
        self.signals: AbstractContextManager[None] | None = None

    def on_train_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self.saved = time.monotonic()
        self._listen(trainer)
        self.signals = handle_signals(self._signalled)
        self.signals.__enter__()

    def on_train_epoch_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self._listen(trainer)  # trainer.reload_dataloaders_every_n_epochs makes a new loader

    def _listen(self, trainer: Trainer) -> None:
        loader: Any = trainer.train_dataloader
        loader.between = lambda: self.between_steps(trainer)

    def _signalled(self, number: int, frame: Any) -> None:
        """End at the next step's boundary; at once when asked again, but not by the same request.

        A terminal sends Ctrl-C to a sweep and to its jobs, and the sweep hands it on to them; Slurm tells every process
        of a job.
        """
        if not self.received:
            self.received, self.received_at = number, time.monotonic()
        elif time.monotonic() - self.received_at > 1:
            exit_at_once(number, frame)

    def on_validation_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self.due = self.due or not trainer.sanity_checking

    def between_steps(self, trainer: Trainer) -> None:
        """Called by the training loader before it hands out a batch."""
        if trainer.fit_loop._should_accumulate():
            return  # half a step: no checkpoint holds gradients
        now = time.monotonic()
        wanted = self.due or self.received != 0 or now - self.saved >= self.seconds
        if trainer.world_size > 1:
            wanted = trainer.strategy.reduce_boolean_decision(wanted, all=False)
        if not wanted:
            return
        self.save(trainer)
        self.due, self.saved = False, now
        stopping = self.received != 0
        if trainer.world_size > 1:
            stopping = trainer.strategy.reduce_boolean_decision(stopping, all=False)
        if stopping:
            log.info("stopped at step %d, saved in %s", trainer.global_step, self.path(trainer))
            raise SystemExit(128 + (self.received or 15))

    def save(self, trainer: Trainer) -> None:
        """Write last.ckpt, and the history up to here before it."""
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path(trainer))

    def path(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir, "checkpoints", LAST)

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self._leave()

    def on_exception(self, trainer: Trainer, module: LanguageModule, exception: BaseException) -> None:  # type: ignore[override]
        self._leave()

    def _leave(self) -> None:
        if self.signals is not None:
            self.signals.__exit__(None, None, None)
            self.signals = None
