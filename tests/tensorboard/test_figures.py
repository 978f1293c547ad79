"""Figures with fixed margins: everything drawn is inside the image, whatever the numbers' width."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from embedlab.tensorboard.figures import draw_by_distance, draw_loss_by_position, draw_similarity, render

DISTANCES = np.arange(64)
CURVES = np.exp(-DISTANCES * np.array([0.05, 0.1, 0.3, 0.5])[:, None])  # (heads, L)
DRAWN = {
    "weights": draw_by_distance(np.stack([CURVES, CURVES]), "mean attention weight", log=True),
    "one layer": draw_by_distance(CURVES[None] * -0.00123, "bias added to the logits", log=False),
    "wide numbers": draw_by_distance(np.stack([CURVES] * 6) * -12345, "bias added to the logits", log=False),
    "positions": draw_similarity(np.eye(64, 16), "position 0"),
    "distances": draw_similarity(np.eye(1023, 16), "distance -511"),
    "loss": draw_loss_by_position((3 + CURVES[0]).tolist(), "scaled_sinusoidal"),
    "large loss": draw_loss_by_position((12345 * CURVES[0]).tolist(), "none"),
}


@pytest.mark.parametrize("figure", DRAWN.values(), ids=DRAWN)
def test_nothing_is_cut_off(figure: Figure) -> None:
    image = render(figure)
    width, height = figure.get_size_inches()
    assert image.shape == (round(height * 140), round(width * 140), 3)
    drawn = figure.get_tightbbox()  # inches
    assert 0 <= drawn.x0 < drawn.x1 <= width
    assert 0 <= drawn.y0 < drawn.y1 <= height
    margins = [image[0], image[-1], image[:, 0], image[:, -1]]
    assert all((margin == 255).all() for margin in margins)


def test_titles_do_not_touch_the_panels() -> None:
    for figure in DRAWN.values():
        render(figure)
        for axes in figure.axes:
            if axes.get_title():
                assert axes.title.get_window_extent().y0 > axes.get_window_extent().y1
