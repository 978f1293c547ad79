"""Images for TensorBoard: what the scheme has learned about positions and distances, and the loss by position.

pyplot is not used, because its current figure is global state. Margins are fixed, because a layout that measures every
label first doubles the time of a figure, as does a title whose height depends on what is below it.
"""

from typing import Any

import numpy as np
import torch
from lightning import Trainer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from embedlab.evaluation.lens import attention_by_distance
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.results import Results
from embedlab.tensorboard.snapshot_tables import bias_by_distance, position_table, relative_table
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.module import LanguageModule
from embedlab.training.view_callback import ViewCallback


class Figures(ViewCallback):
    """Draws the model at the end of training, and the loss by position when the test results are known."""

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if (writer := summary_writer(trainer)) is not None:
            for name, figure in figures(module.model, sample_windows(data)).items():
                writer.add_image(name, render(figure), trainer.global_step, dataformats="HWC")

    def on_results(self, trainer: Trainer, results: Results) -> None:
        """Draw the loss by position; training calls this once, before it writes results.json."""
        losses = results["loss_by_position"]
        if losses is None or (writer := summary_writer(trainer)) is None:
            return
        figure = draw_loss_by_position(losses, results["position"])
        writer.add_image("figures/loss_by_position", render(figure), trainer.global_step, dataformats="HWC")
        writer.flush()


def sample_windows(data: Any) -> torch.Tensor:
    """Return up to 8 windows of the validation text, spread evenly over it: inputs (N, L)."""
    windows = data.val_windows
    rows = np.linspace(0, len(windows) - 1, min(8, len(windows)), dtype=int)
    inputs: torch.Tensor = windows.__getitems__(rows.tolist())[0]
    return inputs


def figures(model: LanguageModel, ids: torch.Tensor) -> dict[str, Figure]:
    """Draw every figure that applies to the model; returns them by name."""
    scheme = model.scheme
    made = {}
    for table in (position_table(scheme), relative_table(scheme)):
        if table is not None:
            made[f"figures/{table.name}_similarity"] = draw_similarity(table.vectors, str(table.columns["row"][0]))
    attention = attention_by_distance(model, ids)
    if attention is not None:
        made["figures/attention_by_distance"] = draw_by_distance(attention.numpy(), "mean attention weight", log=True)
    biased = [layer for layer in range(scheme.shape.n_layers) if "bias" in scheme.hooks(layer)]
    if biased:
        curves = torch.stack([bias_by_distance(scheme, layer).cpu() for layer in biased])
        made["figures/bias_by_distance"] = draw_by_distance(curves.numpy(), "bias added to the logits", log=False)
    return made


def render(figure: Figure) -> np.ndarray:
    """Render the figure as an image (height, width, 3) of uint8."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def panels(width: float, height: float, count: int = 1, *, right: float = 0.15) -> tuple[Figure, list[Axes]]:
    """Return a figure of this size in inches with `count` panels side by side, and `right` inches beside the last."""
    figure = Figure(figsize=(width, height), dpi=140)
    left, bottom, top = 0.9, 0.5, 0.35  # inches: room for numbers of seven characters, the axes' names and titles
    space = {"left": left / width, "right": 1 - right / width, "bottom": bottom / height, "top": 1 - top / height}
    axes = figure.subplots(1, count, sharey=True, squeeze=False, gridspec_kw={"wspace": 0.1, **space})
    return figure, list(axes[0])


def set_title(axes: Axes, title: str) -> None:
    """Set a title at a fixed height; without one, matplotlib measures all labels to find it."""
    axes.set_title(title, y=1.0)


def draw_similarity(vectors: np.ndarray, first: str) -> Figure:
    """Draw a heat map of the cosines of all rows of (n, D); `first` is the first row's label, as "position 0"."""
    word, start = first.rsplit(" ", 1)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    low, high = int(start) - 0.5, int(start) + len(vectors) - 0.5
    figure, (axes,) = panels(4.4, 3.6, right=0.3)
    image = axes.imshow(unit @ unit.T, vmin=-1, vmax=1, cmap="RdBu_r", extent=(low, high, high, low))
    set_title(axes, f"cosine of {word} vectors")
    axes.set(xlabel=word, ylabel=word)
    figure.colorbar(image)
    return figure


def draw_by_distance(curves: np.ndarray, what: str, *, log: bool) -> Figure:
    """Draw curves (layers, H, L): one panel per layer, one line per head; `what` labels the vertical axis."""
    layers, heads, length = curves.shape
    figure, all_axes = panels(1 + 2.2 * layers, 3, layers)
    for layer, axes in enumerate(all_axes):
        for head in range(heads):
            axes.plot(range(length), curves[layer, head], label=f"head {head}", linewidth=1.2)
        set_title(axes, f"layer {layer}")
        axes.set(xlabel="tokens back", yscale="log" if log else "linear")
        if layer == 0:
            axes.set_ylabel(what)
        if log:
            axes.set_ylim(bottom=max(curves.min(), 1e-4))  # smaller values cannot be told apart by eye
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def draw_loss_by_position(losses: list[float], name: str) -> Figure:
    """Draw the mean test loss of targets with 1 … T tokens of context; `name` is the scheme's."""
    figure, (axes,) = panels(4.4, 3)
    axes.plot(range(1, len(losses) + 1), losses, label=name)
    set_title(axes, "loss by position, test text")
    axes.set(xlabel="tokens of context", ylabel="nats/token")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
