"""TensorBoard's Images tab: what the scheme has learned of places and distances, and where the loss is."""

from typing import Any

import numpy as np
import torch
from lightning import Trainer
from matplotlib.figure import Figure

from embedlab.evaluation.attention_maps import attention_by_distance
from embedlab.model.embeddings import LanguageModel
from embedlab.tensorboard import plots
from embedlab.tensorboard.snapshot_tables import bias_by_distance, position_table, relative_table
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.looker import Looker
from embedlab.training.module import LanguageModule


class Figures(Looker):
    """Draws at the end of training, and once more when the test results are there."""

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if (writer := summary_writer(trainer)) is not None:
            for name, figure in figures(module.model, some_windows(data)).items():
                writer.add_image(name, plots.pixels(figure), trainer.global_step, dataformats="HWC")

    def on_results(self, trainer: Trainer, results: dict[str, Any]) -> None:
        """Called once by the training when results.json's content is known."""
        if (writer := summary_writer(trainer)) is None:
            return
        figure = plots.loss_by_position(results["loss_by_position"], results["position"])
        writer.add_image("figures/loss_by_position", plots.pixels(figure), trainer.global_step, dataformats="HWC")
        writer.flush()


def some_windows(data: Any) -> torch.Tensor:
    """(≤ 8, L) inputs of the validation text."""
    windows = data.val_windows
    rows = np.linspace(0, len(windows) - 1, min(8, len(windows)), dtype=int)
    return windows.__getitems__(rows.tolist())[0]


def figures(model: LanguageModel, ids: torch.Tensor) -> dict[str, Figure]:
    """By name, those that the model has."""
    scheme = model.scheme
    made = {}
    for table in (position_table(scheme), relative_table(scheme)):
        if table is not None:
            made[f"figures/{table.name}_similarity"] = plots.similarity(table.vectors, str(table.columns["row"][0]))
    attention = attention_by_distance(model, ids.to(model.tokens.weight.device))
    if attention is not None:
        made["figures/attention_by_distance"] = plots.by_distance(attention.numpy(), "mean attention weight", log=True)
    biased = [layer for layer in range(scheme.shape.n_layers) if "bias" in scheme.hooks(layer)]
    if biased:
        curves = torch.stack([bias_by_distance(scheme, layer).cpu() for layer in biased])
        made["figures/bias_by_distance"] = plots.by_distance(curves.numpy(), "bias added to the logits", log=False)
    return made
