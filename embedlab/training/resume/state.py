"""The state that the next training step depends on: saved in every checkpoint, restored in a resumed run."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, Trainer

from embedlab.config.settings import as_yaml
from embedlab.runs.random_streams import VERSION
from embedlab.runs.same_settings import deciding_settings
from embedlab.training.module import LanguageModule
from embedlab.training.resume.history import event_sizes


class ResumeState(Callback):
    """Callback of every run, so that its last.ckpt can be resumed even with `callbacks.last=null`."""

    def __init__(self) -> None:
        self.finished = False  # training is finished: only evaluation remains
        self.resumed: dict[str, Any] | None = None  # the state in the checkpoint that this run resumes from

    def on_train_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        if self.resumed is not None:
            restore_random_state(self.resumed["random"][trainer.global_rank])
            # Lightning loses the loader's state if it needs the length of an epoch early
            trainer.train_dataloader.load_state_dict(self.resumed["loader"])  # type: ignore[union-attr]

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        self.finished = True

    def on_save_checkpoint(self, trainer: Trainer, module: LanguageModule, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        fit = trainer.fit_loop
        if not self.finished and fit.epoch_loop._should_check_val_fx(fit._data_fetcher):  # type: ignore[arg-type]
            # A resumed Lightning skips the finished validation and counts the step once more for its loggers
            checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
        checkpoint["embedlab"] = {
            "config": deciding_settings(as_yaml(module.config)),
            "corpus_sha256": trainer.datamodule.inputs.corpus,  # type: ignore[attr-defined]  # a TextData's
            "files": trainer.datamodule.inputs.files,  # type: ignore[attr-defined]
            "folder": trainer.default_root_dir,
            "finished": self.finished,
            "threads": torch.get_num_threads(),
            "history": {
                "step": fit.epoch_loop._batches_that_stepped,
                "event_sizes": event_sizes(Path(trainer.default_root_dir)),
            },
            "loader": trainer.train_dataloader.state_dict(),  # type: ignore[union-attr]
            "random": random_states(trainer),
            "random_streams": VERSION,
        }

    def on_load_checkpoint(self, trainer: Trainer, module: LanguageModule, checkpoint: dict[str, Any]) -> None:  # type: ignore[override]
        self.resumed = checkpoint["embedlab"]
        checkpoint["callbacks"] = replace_folder(
            checkpoint["callbacks"], self.resumed["folder"], trainer.default_root_dir
        )
        if self.resumed["finished"]:  # otherwise EarlyStopping would not stop again
            self.finished = True
            trainer.fit_loop.epoch_loop.max_steps = checkpoint["global_step"]


def random_states(trainer: Trainer) -> list[dict[str, Any]]:
    """Return the `random_state` of every rank; all ranks must call this together."""
    states = [random_state()]
    if trainer.world_size > 1:
        states *= trainer.world_size
        torch.distributed.all_gather_object(states, states[0])
    return states


def random_state() -> dict[str, Any]:
    """Return the state of every generator that training may draw from, as plain values and tensors."""
    version, keys, *rest = random.getstate()
    name, words, *position = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(words, dtype=np.int64)), *position],
        "python": [version, list(keys), *rest],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set every generator to a `random_state`; CUDA's only if there are as many devices as before."""
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, words, *position = state["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *position))
    version, keys, *rest = state["python"]
    random.setstate((version, tuple(keys), *rest))


def replace_folder(value: Any, old: str, new: str) -> Any:
    """Return the value with folder `old` replaced by `new` in all strings, so that a moved run can resume."""
    if isinstance(value, dict):
        return {replace_folder(key, old, new): replace_folder(item, old, new) for key, item in value.items()}
    return value.replace(old, new) if isinstance(value, str) else value
