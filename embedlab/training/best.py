"""best.ckpt: the weights of the lowest validation loss."""

from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from embedlab.config.errors import UserError
from embedlab.runs.ownership import check_checkpoint


class Best(ModelCheckpoint):
    """Lightning's ModelCheckpoint, but it ignores weights from before the scheme is `settled`.

    Until `drop_after` drops its inner scheme, a validation loss is the inner scheme's: such weights would be scored in
    place of those without positions.
    Raises UserError if several checkpoints would share one name: the last one written would pass for the best; or if it
    would overwrite last.ckpt or a file of others.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        unique_names = "{step" in (self.filename or "{step}") or self._enable_version_counter
        if self.save_top_k not in (0, 1) and not unique_names:
            raise UserError(
                f"save_top_k={self.save_top_k} would write all of them to {self.filename}.ckpt: "
                "give callbacks.best.filename='best-{step}' too"
            )

        if self.save_last:
            raise UserError("save_last would overwrite last.ckpt, which every run saves to resume from: leave it out")

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        super().on_train_start(trainer, module)
        if self.dirpath is not None and self.filename is not None and "{" not in self.filename:  # else not known yet
            check_checkpoint(Path(self.dirpath, f"{self.filename}.ckpt"), Path(trainer.default_root_dir))

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if module.model.scheme.settled:  # type: ignore[union-attr]  # a LanguageModule's
            super().on_validation_end(trainer, module)


def best_checkpoint(trainer: Trainer) -> Path | None:
    """Return the file of the best weights, wherever callbacks.best wrote it; None if there is none.

    If there is no `Best`, another ModelCheckpoint that monitors val/loss will do.
    """
    found = [one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint) and one.best_model_path]
    for one in sorted(found, key=lambda one: not isinstance(one, Best)):
        if (isinstance(one, Best) or one.monitor == "val/loss") and Path(one.best_model_path).is_file():
            return Path(one.best_model_path)
    return None


def load_weights(module: LightningModule, checkpoint: Path) -> None:
    """Load the weights of a checkpoint into the module."""
    state = torch.load(checkpoint, map_location=module.device, weights_only=True)
    module.load_state_dict(state["state_dict"])
