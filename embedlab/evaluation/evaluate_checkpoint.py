"""Another evaluation of a run's checkpoint, and the tables that show its results."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedlab.config.errors import UserError
from embedlab.config.program import program
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.evaluation import MEASURE, measure
from embedlab.runs.escaping import one_line
from embedlab.runs.provenance import git_state, versions
from embedlab.runs.results import Results, write_results
from embedlab.runs.same_inputs import Inputs
from embedlab.runs.view_failures import view_cautions
from embedlab.training.module import LanguageModule
from embedlab.training.summary import scores_table

EVALUATED = "evaluated"  # folder of evaluations below the run's


def evaluate_checkpoint(config: Config, checkpoint: Path, results: Results, folder: Path) -> Results:
    """Measure again everything in `results` that evaluation measures; print it and write it to a separate file.

    The file is `evaluated/DATE_TIME.json` in the run's folder, one for each evaluation. results.json keeps the run's
    own numbers, which comparisons read.
    Raises UserError if the text or a file of the user differs from the run's, if the weights do not fit the config's
    model, or if the file cannot be written.
    """
    data = TextData(config)
    data.setup()
    now, then = data.tokens.corpus["sha256"], results["corpus"].get("sha256")
    if now != then:
        raise UserError(
            f"corpus={config.corpus.name} is another text than the run's (sha256 {now[:12]}, not {str(then)[:12]}): "
            "evaluate where the run was made (python_docs varies with the Python version)"
        )
    start = config.model.token_table.path  # irrelevant: the trained weights are in the checkpoint
    code = Inputs(None, {path: sha256 for path, sha256 in data.inputs.files.items() if path != start})
    if changed := code.changes_since(None, results.get("files")):
        raise UserError(
            f"{'; '.join(changed)}: the run was trained by the old content; put it back, or give position.file=ANOTHER "
            "for the new one"
        )
    if threads := results.get("threads") or config.threads:
        torch.set_num_threads(threads)  # for the same last digits as the run's
    torch.set_flush_denormal(True)  # as in training
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    except Exception as error:  # torch.load and load_state_dict raise many kinds for a damaged or foreign file
        raise UserError(f"{checkpoint} does not fit this run's model: {str(error).splitlines()[0]}") from error
    cast(dict[str, Any], results).update(measure(module.model, data, config))
    results["files"] = data.inputs.files
    cautions = [caution for caution in results.get("cautions", []) if not caution.startswith(MEASURE)]
    missing = {f"{MEASURE} {key}" for key, value in results.items() if value is None}
    failed = view_cautions(folder)  # includes those of earlier evaluations
    results["cautions"] = cautions + [line for line in failed if any(map(line.startswith, missing))]
    results["evaluated"] = {  # the run's own `command` and `versions` stay: they are those of its training
        "command": " ".join([program("evaluate"), *sys.argv[1:]]),
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
    }
    path = folder / EVALUATED / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        write_results(path, results)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): make room, or copy the run's folder") from error
    console = Console(highlight=False)
    for table in (scores_table(results), lengths_table(results), order_table(results)):
        console.print(table)
    console.print(one_line(f"written      {path}"), markup=False, soft_wrap=True)
    return results


def lengths_table(results: Results) -> Table:
    """Return a table of the losses on the same targets at each context length."""
    table = Table("context", "windows", "nats/token", "bits/byte", "targets", title="Longer contexts, same targets")
    for entry in results["extrapolation"] or ():
        cells: tuple[Text | str, str] = Text(one_line(entry["note"])), ""
        if entry["defined"]:
            cells = f"{entry['loss']:.3f}", f"{entry['bits_per_byte']:.3f}"
        protocol = entry["protocol"].replace("_", "-")
        table.add_row(f"{entry['context_length']:,}", protocol, *cells, f"{entry['targets']:,}")
    return table


def order_table(results: Results) -> Table:
    """Return a table of the losses with shuffled context."""
    table = Table("last tokens kept", "nats/token", "rise", title="Order sensitivity: the tokens before are shuffled")
    for entry in results["order_sensitivity"] or ():
        table.add_row(f"{entry['keep']:,}", f"{entry['loss']:.3f}", f"{entry['rise']:+.3f}")
    return table
