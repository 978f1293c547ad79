"""best.ckpt: the weights of the lowest validation loss."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class Best(ModelCheckpoint):
    """Lightning's, but passes over weights of a scheme that training is yet to change.

    Before `drop_after` drops its scheme, the lowest loss is the inner scheme's: kept, it would be judged in its place.
    """

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if module.model.scheme.settled:  # type: ignore[union-attr]  # a LanguageModule's
            super().on_validation_end(trainer, module)
