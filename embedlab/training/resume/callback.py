"""The callback that saves last.ckpt between two steps; state.py defines its content."""

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
    """Saves last.ckpt after each validation and whenever the last save is `seconds` old, always between two steps.

    "Between two steps" is when the loader is asked for the next batch: metrics are logged, validation is done, all of
    Lightning's counters agree. Lightning's own hooks come too early (on_train_batch_end: the step's metrics are not
    logged yet, a validation that is due would be skipped) or too late (on_train_batch_start: the batch is taken).
    Signals end the run there, after a last save.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.due = False
        self.received = 0  # number of the first signal
        self.received_at = 0.0
        self.signals: AbstractContextManager[None] | None = None

    def on_train_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self.saved = time.monotonic()
        self._call_before_batches(trainer)
        self.signals = handle_signals(self._handle_signal)
        self.signals.__enter__()

    def on_train_epoch_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self._call_before_batches(trainer)  # trainer.reload_dataloaders_every_n_epochs makes a new loader

    def _call_before_batches(self, trainer: Trainer) -> None:
        loader: Any = trainer.train_dataloader
        loader.before_batch = lambda: self.save_or_stop(trainer)

    def _handle_signal(self, number: int, frame: Any) -> None:
        """Request an end before the next batch; a second signal, more than a second later, ends the run at once.

        One request can arrive twice: a terminal sends Ctrl-C to a sweep and to its jobs, and the sweep forwards it to
        them; Slurm signals every process of a job.
        """
        if not self.received:
            self.received, self.received_at = number, time.monotonic()
        elif time.monotonic() - self.received_at > 1:
            exit_at_once(number, frame)

    def on_validation_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self.due = self.due or not trainer.sanity_checking

    def save_or_stop(self, trainer: Trainer) -> None:
        """Save last.ckpt if it is due, and end the run if a signal was received; called before each batch."""
        if trainer.fit_loop._should_accumulate():
            return  # within a step: a checkpoint holds no gradients
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
        """Write the history up to here, then last.ckpt."""
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path(trainer))

    def path(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir, "checkpoints", LAST)

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self._restore_signals()

    def on_exception(self, trainer: Trainer, module: LanguageModule, exception: BaseException) -> None:  # type: ignore[override]
        self._restore_signals()

    def _restore_signals(self) -> None:
        if self.signals is not None:
            self.signals.__exit__(None, None, None)
            self.signals = None
