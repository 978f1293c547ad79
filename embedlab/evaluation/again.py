"""A checkpoint evaluated anew, and the tables that show what came out."""

import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.evaluation import LOOK, measure
from embedlab.runs.looking import failed_looks
from embedlab.runs.results import git_state, versions, write_json
from embedlab.training.module import LanguageModule
from embedlab.training.summary import scores_table


def evaluate_again(config: Config, checkpoint: Path, results: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`results` with everything that evaluation measures measured anew, written to the folder and shown.

    Raises UserError where the text is not the one of the run, or the weights do not fit the model of the config.
    """
    data = TextData(config)
    data.setup()
    now, then = data.tokens.corpus["sha256"], results["corpus"].get("sha256")
    if now != then:
        raise UserError(
            f"corpus={config.corpus.name} is another text than the run's (sha256 {now[:12]}, not {str(then)[:12]}): "
            "evaluate where the run was made (python_docs varies with the Python version)"
        )
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    except Exception as error:  # torch.load and load_state_dict raise many kinds for a damaged or foreign file
        raise UserError(f"{checkpoint} does not fit this run's model: {str(error).splitlines()[0]}") from error
    results |= measure(module.model, data, config)
    cautions = [caution for caution in results.get("cautions", []) if not caution.startswith(LOOK)]
    failed = [line for line in failed_looks(folder) if line.startswith(LOOK)]  # earlier evaluations' among them
    results["cautions"] = cautions + [line for line in failed if results[line.removeprefix(LOOK).split()[0]] is None]
    results["evaluated"] = {  # the run's own `command` and `versions` stay: its training is theirs
        "command": " ".join(["python", "-m", "embedlab.evaluate", *sys.argv[1:]]),
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
    }
    write_json(folder / "results.json", results)
    console = Console(highlight=False)
    for table in (scores_table(results), lengths_table(results), order_table(results)):
        console.print(table)
    console.print(f"updated      {folder / 'results.json'}", markup=False, soft_wrap=True)
    return results


def lengths_table(results: dict[str, Any]) -> Table:
    """Losses on the same targets with more context."""
    table = Table("context", "windows", "nats/token", "bits/byte", "targets", title="Longer contexts, same targets")
    for entry in results["extrapolation"] or ():
        cells = (f"{entry['loss']:.3f}", f"{entry['bits_per_byte']:.3f}") if entry["defined"] else (entry["note"], "")
        protocol = entry["protocol"].replace("_", "-")
        table.add_row(f"{entry['context_length']:,}", protocol, *cells, f"{entry['targets']:,}")
    return table


def order_table(results: dict[str, Any]) -> Table:
    """What shuffling costs."""
    table = Table("last tokens kept", "nats/token", "rise", title="Order sensitivity: the tokens before are shuffled")
    for entry in results["order_sensitivity"] or ():
        table.add_row(f"{entry['keep']:,}", f"{entry['loss']:.3f}", f"{entry['rise']:+.3f}")
    return table
