"""results.json: the results of a run, written last and atomically; if it exists, the run has finished.

Its keys are declared only here, and in `measured` those that evaluation measures. A new key is one line in `Results`,
or in the dictionary that holds it, with its meaning and unit. mypy then requires the writer to set it, a test compares
a real run's file, and `python -m embedlab.runs.results_keys` prints its row for docs/results.md. `NotRequired` marks
keys that some runs lack.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from embedlab.runs.atomic_write import atomic_write
from embedlab.runs.measured import Key, Measured

SCHEMA = 1  # increased when the meaning of a key changes, so that comparisons notice


class Parameters(TypedDict):
    """Counts of parameters, frozen ones included."""

    total: Annotated[int, Key("of the whole model", "parameters")]
    position: Annotated[int, Key("of the scheme", "parameters")]
    embedding: Annotated[int, Key("of the token table", "parameters")]
    head: Annotated[int, Key("of the head", "parameters")]


class Splits(TypedDict):
    """Lengths of the three texts."""

    train: Annotated[int, Key("training text", "tokens")]
    val: Annotated[int, Key("validation text", "tokens")]
    test: Annotated[int, Key("test text", "tokens")]


class CorpusFacts(TypedDict):
    """Facts about the text."""

    tokens: Annotated[int, Key("length of the whole text", "tokens")]
    bytes: Annotated[int, Key("length of the whole text in UTF-8", "bytes")]
    documents: Annotated[int, Key("documents in it", "documents")]
    splits: Annotated[Splits, Key("how it was divided")]


class Corpus(CorpusFacts):
    """The text: its facts, and which one it is."""

    name: Annotated[str, Key("the choice of corpus=")]
    sha256: Annotated[str, Key("of the file; of the files' own sums if there are several")]


class GitState(TypedDict, total=False):
    """State of embedlab's source; empty if git does not know it."""

    commit: Annotated[str, Key("commit of embedlab's source")]
    dirty: Annotated[bool, Key("whether the source was changed since")]


class Evaluated(TypedDict):
    """The command that measured the run again; the run's own command and versions stay."""

    command: Annotated[str, Key("the command line")]
    versions: Annotated[dict[str, str], Key("versions at that time")]
    git: Annotated[GitState, Key("state of the source at that time")]


class Setup(TypedDict):
    """The identity of a run."""

    schema: Annotated[int, Key("version of these keys' meaning")]
    seed: Annotated[int, Key("the run's seed")]
    config: Annotated[dict[str, Any], Key("all settings, as `python train.py --help` explains them")]
    position: Annotated[str, Key("the scheme's name")]
    parameters: Annotated[Parameters, Key("how many parameters the model has")]


class Results(Setup, Measured):
    """All of results.json, in the order of the file."""

    tokens_per_second: Annotated[float, Key("targets trained on, all devices together", "tokens/s")]
    train_seconds: Annotated[float, Key("training alone, without validation and callbacks", "s")]
    peak_memory_bytes: Annotated[int, Key("resident memory on a CPU, the device's allocated memory on a GPU", "bytes")]
    threads: Annotated[int, Key("CPU threads of each process; the last digits depend on it", "threads")]
    cautions: Annotated[list[str], Key("warnings about settings that cannot work as asked")]
    versions: Annotated[dict[str, str], Key("of Python, the platform and the packages that numbers depend on")]
    corpus: Annotated[Corpus, Key("the text")]
    git: Annotated[GitState, Key("state of embedlab's source; empty if git does not know it")]
    command: Annotated[str, Key("the command line")]
    files: Annotated[dict[str, str], Key("sha256 of each of the user's own files that the settings name, by path")]
    checkpoint: Annotated[str, Key("the checkpoint that the scores are of; its path below the run's folder, if there")]
    checkpoint_sha256: NotRequired[Annotated[str, Key("its sha256, if it is not in the run's folder")]]
    evaluated: NotRequired[Annotated[Evaluated, Key("the command that measured the run again, if any")]]


def write_results(path: Path, results: Results) -> None:
    """Write results.json atomically, as strict JSON."""
    with atomic_write(path) as file:
        json.dump(replace_nonfinite(results), file, indent=1, ensure_ascii=False, allow_nan=False)


def replace_nonfinite(value: Any) -> Any:
    """Return the value with None for each NaN and infinity in it, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diverged_line(results: Results) -> str | None:
    """Return one line that says where a run diverged, with a remedy; None if it did not."""
    if (found := results.get("diverged")) is None:
        return None
    rate = results["config"]["optimizer"]["lr"]
    return (
        f"diverged: the loss is {found['loss']} at step {found['step']} with optimizer.lr={rate}: "
        f"give a lower one, as optimizer.lr={rate / 10:g}, or a longer optimizer.warmup_fraction"
    )
