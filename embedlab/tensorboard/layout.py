"""The layout of TensorBoard's Custom Scalars tab: charts that compare schemes, each with all runs."""

from lightning import LightningModule, Trainer

from embedlab.tensorboard.writers import summary_writer
from embedlab.training.view_callback import ViewCallback

LAYOUT = {
    "schemes side by side": {
        "bits per byte, validation": ["Multiline", ["val/bits_per_byte"]],
        "loss, validation (nats/token)": ["Multiline", ["val/loss"]],
        "loss, training (nats/token)": ["Multiline", ["train/loss"]],
        "tokens per second": ["Multiline", ["train/tokens_per_second"]],
    },
}


class Layout(ViewCallback):
    """Writes the layout, which is the same for all runs."""

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        if (writer := summary_writer(trainer)) is not None:
            writer.add_custom_scalars(LAYOUT)
