"""A checkpoint evaluated anew, and the tables that show what came out."""

import sys
from datetime import datetime
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedlab.config.errors import UserError
from embedlab.config.program import program
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.evaluation import LOOK, measure
from embedlab.runs.escaping import one_line
from embedlab.runs.provenance import git_state, versions
from embedlab.runs.results import Results, write_results
from embedlab.runs.same_inputs import Inputs
from embedlab.runs.view_failures import view_cautions
from embedlab.training.module import LanguageModule
from embedlab.training.summary import scores_table

EVALUATED = "evaluated"  # folder of evaluations below the run's


def evaluate_again(config: Config, checkpoint: Path, results: Results, folder: Path) -> Results:
    """`results` with everything that evaluation measures measured anew, written to a file of its own and shown.

    The file is `evaluated/DATE_TIME.json` in the run's folder: results.json keeps the run's own numbers, which are the
    ones that comparisons read, and each evaluation keeps its own.

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
    start = config.model.token_table.path  # of the weights that are now in the checkpoint: it matters no more
    code = Inputs(None, {path: sha256 for path, sha256 in data.inputs.files.items() if path != start})
    if changed := code.changes_since(None, results.get("files")):
        raise UserError(
            f"{'; '.join(changed)}: the run was trained by the old content; put it back, or give position.file=ANOTHER "
            "for the new one"
        )
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    except Exception as error:  # torch.load and load_state_dict raise many kinds for a damaged or foreign file
        raise UserError(f"{checkpoint} does not fit this run's model: {str(error).splitlines()[0]}") from error
    results.update(measure(module.model, data, config))
    results["files"] = data.inputs.files
    cautions = [caution for caution in results.get("cautions", []) if not caution.startswith(LOOK)]
    missing = {f"{LOOK} {key}" for key, value in results.items() if value is None}
    failed = view_cautions(folder)  # those of earlier evaluations are among them
    results["cautions"] = cautions + [line for line in failed if any(map(line.startswith, missing))]
    results["evaluated"] = {  # the run's own `command` and `versions` stay: its training is theirs
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
    """Losses on the same targets with more context."""
    table = Table("context", "windows", "nats/token", "bits/byte", "targets", title="Longer contexts, same targets")
    for entry in results["extrapolation"] or ():
        cells: tuple[Text | str, str] = Text(one_line(entry["note"])), ""
        if entry["defined"]:
            cells = f"{entry['loss']:.3f}", f"{entry['bits_per_byte']:.3f}"
        protocol = entry["protocol"].replace("_", "-")
        table.add_row(f"{entry['context_length']:,}", protocol, *cells, f"{entry['targets']:,}")
    return table


def order_table(results: Results) -> Table:
    """What shuffling costs."""
    table = Table("last tokens kept", "nats/token", "rise", title="Order sensitivity: the tokens before are shuffled")
    for entry in results["order_sensitivity"] or ():
        table.add_row(f"{entry['keep']:,}", f"{entry['loss']:.3f}", f"{entry['rise']:+.3f}")
    return table
