"""One progress bar for the whole training; without a terminal, some lines in the log instead."""

import logging
import sys
import time
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from embedlab.runs import progress_channel
from embedlab.training.module import elapsed_share, logs_at, total_steps
from embedlab.training.view_callback import ViewCallback

log = logging.getLogger("embedlab.progress")


class Progress(ViewCallback, ProgressBar):
    """Steps done of all steps, steps/s, time left, training and validation loss.

    Lightning's own bars count the batches of an epoch, and a run of fewer steps than one epoch never fills them.
    Without a terminal, `lines` lines are logged in total.
    """

    def __init__(self, lines: int = 10) -> None:
        super().__init__()
        self.lines = lines
        self.bar: tqdm | None = None

    def disable(self) -> None:
        """Show nothing; Lightning calls this on every rank except the first."""
        self.lines = 0

    def enable(self) -> None:
        """Do nothing, because a bar starts enabled; Lightning's interface requires this method."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.total = total_steps(trainer)
        self.lines_logged = 0
        self.first = self.shown = trainer.global_step
        self.started = time.monotonic()
        if self.lines and sys.stderr.isatty():
            self.bar = tqdm(total=self.total, initial=self.first, desc="training", unit="step", dynamic_ncols=True)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        step = trainer.global_step
        rate = (step - self.first) / (time.monotonic() - self.started)
        self._publish(trainer, step, rate)
        if self.bar is not None:
            self.bar.update(step - self.bar.n)
            if logs_at(trainer, step):
                self.bar.set_postfix_str(self._losses(trainer), refresh=False)
        elif not self.lines or step <= self.shown:
            return
        elif self.total is None:  # trainer.max_time ends the training
            share = elapsed_share(trainer)
            if int(share * self.lines) > self.lines_logged:
                self.shown, self.lines_logged = step, int(share * self.lines)
                values = (step, 100 * share, rate, self._losses(trainer, ", "))
                log.info("step %d, %.0f %% of the time, %.3g steps/s%s", *values)
        elif step == self.total or step % max(1, self.total // self.lines) == 0:
            self.shown = step
            left = (self.total - step) / rate
            losses = self._losses(trainer, ", ")
            log.info("step %d of %d, %.3g steps/s, %.0f s left%s", step, self.total, rate, left, losses)

    def _publish(self, trainer: Trainer, step: int, rate: float) -> None:
        if progress_channel.listeners and rate:
            loss = trainer.callback_metrics.get("train/loss")
            left = None if self.total is None else (self.total - step) / rate
            progress_channel.publish(
                progress_channel.Progress(step, self.total, None if loss is None else float(loss), left)
            )

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._close(trainer)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        self._close(trainer)

    def _close(self, trainer: Trainer) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(self._losses(trainer))
            self.bar.close()
            self.bar = None

    def _losses(self, trainer: Trainer, before: str = "") -> str:
        """Return the latest losses after `before`; "" if there are none yet."""
        known = trainer.callback_metrics
        shown = ", ".join(f"{key} {known[key]:.3f}" for key in ("train/loss", "val/loss") if key in known)
        return before + shown if shown else ""
