"""The callback that makes a run resumable: last.ckpt at steps' boundaries, with all that the next step depends on."""

import logging
import random
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Checkpoint

from embedlab.runs.same_settings import plain
from embedlab.runs.signals import at_once, handled_by
from embedlab.training.module import LanguageModule
from embedlab.training.resume.checkpoints import LAST
from embedlab.training.resume.history import sizes_of_events

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
        self.finished = False  # training is: only what comes after is left to do
        self.received = 0  # signal
        self.received_at = 0.0
        self.begun: dict[str, Any] | None = None  # what the checkpoint held that this run goes on from
        self.signals: AbstractContextManager[None] | None = None

    def on_train_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        loader: Any = trainer.train_dataloader
        if self.begun is not None:
            restore_random_state(self.begun["random"])
            loader.load_state_dict(self.begun["loader"])  # Lightning forgets to where it needs an epoch's length early
        self.saved = time.monotonic()
        loader.between = lambda: self.between_steps(trainer)
        self.signals = handled_by(self._signalled)
        self.signals.__enter__()

    def _signalled(self, number: int, frame: Any) -> None:
        """End at the next step's boundary; at once when asked again, but not by the same request.

        A terminal sends Ctrl-C to a sweep and to its jobs, and the sweep hands it on to them; Slurm tells every process
        of a job.
        """
        if not self.received:
            self.received, self.received_at = number, time.monotonic()
        elif time.monotonic() - self.received_at > 1:
            at_once(number, frame)

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
        self.finished = True
        self._leave()

    def on_exception(self, trainer: Trainer, module: LanguageModule, exception: BaseException) -> None:  # type: ignore[override]
        self._leave()

    def _leave(self) -> None:
        if self.signals is not None:
            self.signals.__exit__(None, None, None)
            self.signals = None

    def on_save_checkpoint(self, trainer: Trainer, module: LanguageModule, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        fit = trainer.fit_loop
        if not self.finished and fit.epoch_loop._should_check_val_fx(fit._data_fetcher):  # type: ignore[arg-type]
            # Going on, Lightning passes over the validation that is done and counts the step once more for its loggers
            checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
        checkpoint["embedlab"] = {
            "config": plain(asdict(module.config)),
            "corpus_sha256": trainer.datamodule.inputs.corpus,  # type: ignore[attr-defined]  # a TextData's
            "files": trainer.datamodule.inputs.files,  # type: ignore[attr-defined]
            "folder": trainer.default_root_dir,
            "finished": self.finished,
            "threads": torch.get_num_threads(),
            "history": {
                "step": fit.epoch_loop._batches_that_stepped,
                "event_sizes": sizes_of_events(Path(trainer.default_root_dir)),
            },
            "loader": trainer.train_dataloader.state_dict(),  # type: ignore[union-attr]
            "random": random_state(),
        }

    def on_load_checkpoint(self, trainer: Trainer, module: LanguageModule, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        self.begun = checkpoint["embedlab"]
        checkpoint["callbacks"] = moved(checkpoint["callbacks"], self.begun["folder"], trainer.default_root_dir)
        if self.begun["finished"]:  # EarlyStopping would not stop again
            self.finished = True
            trainer.fit_loop.epoch_loop.max_steps = checkpoint["global_step"]


def random_state() -> dict[str, Any]:
    """States of every generator that training may draw from, as plain values and tensors."""
    version, keys, *rest = random.getstate()
    name, words, *place = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(words, dtype=np.int64)), *place],
        "python": [version, list(keys), *rest],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, words, *place = state["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *place))
    version, keys, *rest = state["python"]
    random.setstate((version, tuple(keys), *rest))


def moved(value: Any, old: str, new: str) -> Any:
    """The value with one folder put for another in all its strings: a run's folder may be moved and go on there."""
    if isinstance(value, dict):
        return {moved(key, old, new): moved(item, old, new) for key, item in value.items()}
    return value.replace(old, new) if isinstance(value, str) else value
