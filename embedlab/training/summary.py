"""The short tables at the end of a run."""

import math
import os
import shlex
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedlab.config.home import start_folder
from embedlab.runs.escaping import one_line
from embedlab.runs.results import Results

BASELINES: dict[Literal["unigram", "bigram", "unigram_entropy"], str] = {
    "unigram": "unigram, validation",
    "bigram": "add-one bigram, validation",
    "unigram_entropy": "the corpus's unigram entropy",
}


def print_summary(results: Results, folder: Path) -> None:
    """Print scores, costs and cautions, where the outputs are, and the command that shows them."""
    console = Console(highlight=False)
    console.print(scores_table(results))
    console.print(costs_table(results))
    for caution in results["cautions"]:
        console.print(f"note: {one_line(caution)}", style="yellow", markup=False)
    start = start_folder()
    shown = os.path.relpath(folder, start) if folder.is_relative_to(start) else str(folder)
    quoted = shlex.quote(shown)
    console.print(one_line(f"outputs      {shown}"), markup=False, soft_wrap=True)
    console.print(one_line(f"TensorBoard  tensorboard --logdir {quoted}"), markup=False, soft_wrap=True)


def scores_table(results: Results) -> Table:
    """Return the table of model and baselines on held-out text."""
    table = Table(title=Text(one_line(f"position={results['position']} on {results['corpus']['name']}")))
    for heading in ("", "nats/token", "perplexity", "bits/byte"):
        table.add_column(heading, justify="right" if heading else "left")
    for split, score in (("validation", results["val"]), ("test", results["test"])):
        cells = (_number(score["loss"], 3), _number(score["perplexity"], 1), _number(score["bits_per_byte"], 3))
        table.add_row(f"model, {split}", *cells)
    bits, nats = results["val"]["bits_per_byte"], results["val"]["loss"]
    for name, label in BASELINES.items():
        if results["baselines"] is not None:  # not measured for a diverged run, or failed
            loss = results["baselines"][name]
            scaled = loss * bits / nats if bits and nats else None  # a loss of 0 does not give bytes per token
            table.add_row(label, _number(loss, 3), _number(math.exp(loss), 1), _number(scaled, 3))
    return table


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def costs_table(results: Results) -> Table:
    """Return the table of parameters by part, speed and memory."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    parameters = results["parameters"]
    table.add_row("parameters", f"{parameters['total']:,}")
    for label, count in (
        ("positions", parameters["position"]),
        ("token table", parameters["embedding"]),
        ("head", parameters["head"]),
    ):
        table.add_row(f"  {label}", f"{count:,}")
    table.add_row("tokens/s in training", f"{results['tokens_per_second']:,.0f}")
    table.add_row("training", f"{results['train_seconds']:.1f} s")
    table.add_row("peak memory", f"{results['peak_memory_bytes'] / 1e9:.2f} GB")
    return table
