"""Plots of what a scheme does. None uses pyplot, whose current figure is global state."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def pixels(figure: Figure) -> np.ndarray:
    """Render the figure: (height, width, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def similarity(vectors: np.ndarray, first: str) -> Figure:
    """Draw a heat map of the cosine of every two rows of (n, D); `first` is the first row's label, as "position 0"."""
    word, start = first.rsplit(" ", 1)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    low, high = int(start) - 0.5, int(start) + len(vectors) - 0.5
    figure = Figure(figsize=(4.4, 3.6), dpi=140, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(unit @ unit.T, vmin=-1, vmax=1, cmap="RdBu_r", extent=(low, high, high, low))
    axes.set(title=f"cosine of {word} vectors", xlabel=word, ylabel=word)
    figure.colorbar(image)
    return figure


def by_distance(curves: np.ndarray, what: str, *, log: bool) -> Figure:
    """Draw (layers, H, L): one panel for each layer, one line for each head."""
    layers, heads, length = curves.shape
    figure = Figure(figsize=(1 + 2.2 * layers, 3), dpi=140, layout="constrained")
    for layer, axes in enumerate(figure.subplots(1, layers, sharey=True, squeeze=False)[0]):
        for head in range(heads):
            axes.plot(range(length), curves[layer, head], label=f"head {head}", linewidth=1.2)
        axes.set(title=f"layer {layer}", xlabel="tokens back", yscale="log" if log else "linear")
        if layer == 0:
            axes.set_ylabel(what)
        if log:
            axes.set_ylim(bottom=max(curves.min(), 1e-4))  # what lies below is nothing to the eye
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def loss_by_position(losses: list[float], name: str) -> Figure:
    """Draw the mean test loss of the target that follows 1 … T tokens of context."""
    figure = Figure(figsize=(4.4, 3), dpi=140, layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, label=name)
    axes.set(title="loss by position, test text", xlabel="tokens of context", ylabel="nats/token")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
