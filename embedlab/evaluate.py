"""`python -m embedlab.evaluate RUN_FOLDER`: measure a finished run again, from its best checkpoint.

Nothing slow is imported before folder, files and settings are checked.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import cast

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.program import program
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.runs.escaping import printable
from embedlab.runs.read_config import read_config
from embedlab.runs.results import Results, diverged_line
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.streams import accept_any_text
from embedlab.runs.weights import find_checkpoint
from embedlab.training.whole_config import check_config

CHANGEABLE = ("evaluation.", "position.", "data.max_eval_tokens=", "data.batch_size=", "corpus.path=", "cache_dir=")
HELP = f"""\
Measures the best checkpoint of a finished run again: losses, longer contexts, order sensitivity, tables, position
lens. Writes evaluated/DATE_TIME.json in the run's folder, with the keys of results.json, which stays as it is.

examples:
  {program("evaluate")} outputs/runs/2026-01-31/12-00-00-000000
  {program("evaluate")} RUN_FOLDER evaluation.max_tokens=16384 'evaluation.length_factors=[0.5,1,2,16]'
  {program("evaluate")} RUN_FOLDER evaluation.sliding_step=1      every target sees the whole length (slow: see below)
  {program("evaluate")} RUN_FOLDER position.past_end=clamp        a learned table past its end
  for run in outputs/sweeps/NAME/*/; do {program("evaluate")} "$run" evaluation.max_tokens=8192; done

Cost: a sliding window of T tokens is read for every evaluation.sliding_step targets, which is T / sliding_step tokens
read for each target. evaluation.sliding_step=1 so takes 16 times as long as the default of 16; evaluation.max_tokens
limits the number of targets. At a terminal, a bar shows how far it is.

settings that may be changed: {" ".join(key + ("*" if key.endswith(".") else "...") for key in CHANGEABLE)}
`{program("train")} --help` explains them."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with status 1 and one line for a UserError."""
    parser = argparse.ArgumentParser(
        program("evaluate"), description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="RUN_FOLDER", help="folder of one finished run: the one with results.json")
    parser.add_argument("settings", metavar="KEY=VALUE", nargs="*", help="settings to change for this evaluation")
    accept_any_text()
    given = parser.parse_args(arguments)
    try:
        with handle_signals(exit_at_once):
            run(Path(expand_user(given.folder, "RUN_FOLDER")), given.settings)
    except UserError as error:
        sys.exit(printable(f"error: {error}"))


def run(folder: Path, overrides: list[str]) -> Results:
    """Evaluate the run in `folder`, write evaluated/DATE_TIME.json there and return its content.

    Raises UserError if the run, its files or the settings do not allow it.
    """
    results = read_results(folder)
    if line := diverged_line(results):
        raise UserError(f"{folder} has no scores: {line}")
    checkpoint = find_checkpoint(folder)
    config = changed_config(folder, overrides)

    # torch: seconds that a mistake need not wait for
    from embedlab.evaluation.evaluate_checkpoint import evaluate_checkpoint

    return evaluate_checkpoint(config, checkpoint, {**results, "config": as_yaml(config)}, folder)


def read_results(folder: Path) -> Results:
    """Return results.json of a finished run. Raises UserError if it is missing or not ours.

    Only the key `corpus` is checked, because all scores are measured again.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give a run's folder, as outputs/runs/DATE/TIME")
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no results.json: the run has not finished, or this is not a run's folder")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): delete it and rerun the run's command") from error
    if not isinstance(results, dict) or not isinstance(results.get("corpus"), dict):
        raise UserError(f"{path} was not written by embedlab: give the folder of an embedlab run")
    return cast(Results, results)


def changed_config(folder: Path, overrides: list[str]) -> Config:
    """Return the run's config with `overrides`. Raises UserError for a setting that cannot change after training."""
    for override in overrides:
        if "=" not in override or not override.startswith(CHANGEABLE):
            raise UserError(f"{override} cannot be changed after training: give {' '.join(CHANGEABLE)} with a value")
    return check_config(read_config(folder, overrides))


if __name__ == "__main__":
    main()
