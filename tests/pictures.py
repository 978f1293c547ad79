"""Make the pictures of README and docs: `python -m tests.pictures` trains seven small runs and takes screenshots.

Needs Chromium and playwright (see tests/browser.py). Ten minutes on two cores; `--outputs FOLDER` photographs runs that
are there already: one below runs/, a sweep below sweeps/. `--report report.html` photographs a comparison alone.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import browser

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".pictures"
RUNS = (
    ("position=scaled_sinusoidal", "tokenizer.vocab_size=4096", "model.embedding_dim=64", "trainer.max_steps=5000",
     "trainer.val_check_interval=500"),
    ("-m", "position=none,learned,alibi", "seed=1,2", "tokenizer.vocab_size=1024", "model.embedding_dim=64",
     "trainer.max_steps=400", "trainer.val_check_interval=40", "sweep_name=schemes"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outputs", type=Path, help="runs to photograph, instead of new ones")
    parser.add_argument("--report", type=Path, help="the report.html of a comparison to photograph, and nothing else")
    arguments = parser.parse_args()
    outputs = arguments.outputs
    if (lack := browser.missing()) is not None:
        sys.exit(f"error: {lack}")
    PICTURES.mkdir(exist_ok=True)
    if arguments.report is not None:
        with browser.browser_page(1100, 1000) as page:
            page.goto(arguments.report.absolute().as_uri())
            page.screenshot(path=PICTURES / "report.png")
        return
    with tempfile.TemporaryDirectory() as folder:
        if outputs is None:
            for overrides in RUNS:
                subprocess.run([sys.executable, str(ROOT / "train.py"), *overrides], cwd=folder, check=True)
            outputs = Path(folder) / "outputs"
        with browser.browser_page(1280, 800) as page:
            with browser.tensorboard(outputs / "runs") as address:
                projector(page, address)
                tab(page, f"{address}/#images", "images")
                tab(page, f"{address}/#text", "texts", tags="neighbours|continuations")
            page.set_viewport_size({"width": 1700, "height": 620})
            with browser.tensorboard(outputs / "sweeps") as address:
                tab(page, f"{address}/#hparams", "hparams")
                tab(page, f"{address}/#custom_scalars", "schemes")


def projector(page: "Page", address: str) -> None:
    """The token table coloured by frequency, one word's neighbours, and the positions as a line."""
    frame = browser.open_projector(page, address)
    colour(frame, "log10 count")
    page.wait_for_timeout(6000)  # the page computes its PCA
    page.screenshot(path=PICTURES / "projector.png")
    frame.evaluate(
        f"""() => {{ {browser.FIND_PROJECTOR}
        const words = projector.dataSet.points.map((point) => point.metadata.token);
        projector.notifySelectionChanged([words.indexOf('␣function')]); }}"""
    )
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / "neighbours.png")
    browser.choose_tensor(frame, "positions 3D")
    colour(frame, "order")
    page.wait_for_timeout(4000)
    frame.click("#reset-zoom")
    page.wait_for_timeout(2000)
    page.screenshot(path=PICTURES / "positions.png")


def colour(frame: "Frame", column: str) -> None:
    """Colour by a column, as a person would by the menu."""
    frame.evaluate(
        f"""(column) => {{ {browser.FIND_PROJECTOR}
        projector.shadowRoot.querySelector('vz-projector-data-panel').selectedColorOptionName = column; }}""",
        column,
    )


def tab(page: "Page", address: str, name: str, tags: str | None = None) -> None:
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_timeout(6000)
    if tags is not None:
        page.get_by_label("Filter tags (regular expressions supported)").fill(tags)
        page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
