"""results.json: the results of a run, written last and atomically; if it exists, the run has finished.

Its keys are declared only here. A new key is one line in `Results`, or in the dictionary that holds it, with its
meaning and unit. mypy then requires the writer to set it, a test compares a real run's file, and
`python -m embedlab.runs.results_keys` prints its row for docs/results.md. `NotRequired` marks keys that some runs lack.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from embedlab.runs.atomic_write import atomic_write

SCHEMA = 1  # increased when the meaning of a key changes, so that comparisons notice


@dataclass(frozen=True, slots=True)
class Key:
    """The meaning of a key, and its unit, "" if it has none."""

    about: str
    unit: str = ""


NATS, BITS = "nats/token", "bits/byte"
Heads = list[list[list[float | None]]]  # [layer][head][distance]
Windows = Literal["non_overlapping", "sliding"]


class Scores(TypedDict):
    """Losses over all targets of a split."""

    loss: Annotated[float | None, Key("mean cross-entropy of a target; null in a diverged run", NATS)]
    perplexity: Annotated[float | None, Key("exp(loss)", "perplexity")]
    bits_per_byte: Annotated[float | None, Key("the loss per UTF-8 byte of text: compares tokenizers", BITS)]


class Baselines(TypedDict):
    """Losses of counting models on the validation targets; a trained model must be better."""

    unigram: Annotated[float, Key("add-one unigram of the training text", NATS)]
    bigram: Annotated[float, Key("add-one bigram of the training text", NATS)]
    unigram_entropy: Annotated[float, Key("entropy of the training text's own token frequencies", NATS)]


class ContextScore(TypedDict):
    """The loss at one context length under one protocol."""

    context_length: Annotated[int, Key("length of a window", "tokens")]
    protocol: Annotated[Windows, Key("windows side by side, or each target with (nearly) the whole context before it")]
    loss: Annotated[float | None, Key("mean cross-entropy of a target", NATS)]
    bits_per_byte: Annotated[float | None, Key("the same per UTF-8 byte of text", BITS)]
    defined: Annotated[bool, Key("whether the scheme is defined and the text long enough; if not, the losses are null")]
    note: Annotated[str, Key("why it is not defined")]
    targets: Annotated[int, Key("how many targets were scored", "tokens")]


class ShuffledScore(TypedDict):
    """The loss when all but the last tokens of the context are shuffled."""

    keep: Annotated[int, Key("how many of the last tokens keep their order", "tokens")]
    loss: Annotated[float, Key("mean cross-entropy of a window's last target", NATS)]
    rise: Annotated[float, Key("loss less the loss in order", NATS)]


class TokenTable(TypedDict):
    """Measures of the token table's rows of the most frequent tokens."""

    rows: Annotated[int, Key("how many rows were measured", "rows")]
    effective_rank: Annotated[float, Key("exp of the entropy of the singular values' shares", "directions")]
    isotropy: Annotated[float, Key("1 if all directions are alike, near 0 if one dominates")]
    mean_cosine: Annotated[float, Key("mean cosine of two different rows")]
    norm_log_frequency: Annotated[float | None, Key("correlation of a row's length with the log of its token's count")]


class PositionTable(TypedDict):
    """Measures of the scheme's own table."""

    rows: Annotated[int, Key("positions or distances in the table", "rows")]
    effective_rank: Annotated[float, Key("exp of the entropy of the singular values' shares", "directions")]
    similarity_by_distance: Annotated[list[float], Key("mean cosine of rows whose positions differ by 0, 1, …")]


class Neighbour(TypedDict):
    """A token near another one."""

    token: Annotated[str, Key("its text")]
    cosine: Annotated[float, Key("cosine of the two vectors")]


class Neighbours(TypedDict):
    """A frequent token and the tokens nearest to it."""

    token: Annotated[str, Key("its text")]
    count: Annotated[int, Key("occurrences in the test text", "tokens")]
    neighbours: Annotated[list[Neighbour], Key("the nearest tokens by cosine, nearest first")]


class Tables(TypedDict):
    """Measures of the model's tables."""

    token: Annotated[TokenTable, Key("the token table")]
    position: Annotated[PositionTable | None, Key("the scheme's table; null if it has none")]
    neighbours: Annotated[list[Neighbours], Key("nearest tokens of the most frequent words")]


class PositionLens(TypedDict):
    """Attention by distance."""

    windows: Annotated[int, Key("windows of test text that were measured", "windows")]
    logits: Annotated[
        Heads, Key("[layer][head][distance]: mean logit of keys at this distance; null if none is finite")
    ]
    weights: Annotated[Heads, Key("[layer][head][distance]: mean attention weight of keys at this distance")]


class CloserLook(TypedDict):
    """Measures of the model on the test text besides its losses; null for a measure that failed."""

    extrapolation: Annotated[list[ContextScore] | None, Key("losses at other context lengths, on the same targets")]
    order_sensitivity: Annotated[list[ShuffledScore] | None, Key("what shuffling the context costs")]
    tables: Annotated[Tables | None, Key("measures of the learned tables")]
    position_lens: Annotated[PositionLens | None, Key("attention by distance; null for a head without attention")]


class HeldOut(TypedDict):
    """Losses on held-out text."""

    val: Annotated[Scores, Key("validation text")]
    test: Annotated[Scores, Key("test text")]
    baselines: Annotated[Baselines | None, Key("what counting alone reaches on the validation text")]
    loss_by_position: Annotated[list[float] | None, Key("mean test loss of targets that see 1, 2, … tokens", NATS)]


class Diverged(TypedDict):
    """Where the loss became NaN or infinite."""

    step: Annotated[int, Key("optimizer steps done", "steps")]
    loss: Annotated[str, Key("nan, inf or -inf")]


class Measured(HeldOut, CloserLook):
    """Results that depend only on weights and held-out text; `python -m embedlab.evaluate` measures it again."""

    eval_tokens_per_second: Annotated[float | None, Key("speed of scoring the test text", "tokens/s")]
    diverged: NotRequired[Annotated[Diverged, Key("where training diverged, if it did; all scores are null then")]]


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
