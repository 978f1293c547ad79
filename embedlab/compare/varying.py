"""Settings that differ between runs, settings that change only together, and the selection of runs by setting.

Besides the dotted keys of the config, every run gets three short ones: `position` (the scheme, with those of its
settings that vary), `tokenizer` and `corpus`.
"""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from embedlab.compare import trainer_keys, user_files
from embedlab.compare.finished_run import Run
from embedlab.config.errors import UserError

# Settings that name folders, split work or observe a run, so they cannot affect a score; sha256 identifies the corpus.
IGNORED = (
    "seed",
    "threads",
    "output_dir",
    "run_dir",
    "sweep_name",
    "cache_dir",
    "logger.",
    "hydra.",
    "experiment",
    "evaluation.",
    "corpus.",
    "tokenizer.",
    "position.",
    "data.num_workers",
    "data.max_eval_tokens",
    "model.loss_chunk_tokens",
)
RATE, SCALE = "optimizer.lr", "position.scale"
TUNED = (RATE, SCALE)  # the best value by validation is chosen, unless --by names them
ORDER = ("position", "model.", "data.", "tokenizer", "corpus", "optimizer.", "trainer.")


def affects_score(key: str) -> bool:
    """Return whether this key of the config can affect a score."""
    if key.startswith(("trainer.", "callbacks.")):
        return trainer_keys.affects_score(key)
    return not any(key == name or (name.endswith(".") and key.startswith(name)) for name in IGNORED)


def add_short_keys(runs: Sequence[Run]) -> None:
    """Add `position`, `tokenizer` and `corpus` to the settings of all runs, and defaults that runs do not set."""
    user_files.mark_changed_files(runs)
    extras = _scheme_settings(runs)
    for run in runs:
        settings = run.settings
        name = settings["position.name"]
        words = [name] + [f"{key.removeprefix('position.')}={format_value(settings.get(key))}" for key in extras[name]]
        settings["position"] = " ".join(words)
        size = settings.get("tokenizer.vocab_size")
        settings["tokenizer"] = str(settings.get("tokenizer.name", "?")) + (
            "" if size is None else f"-{format_value(size)}"
        )
        sha = run.text("corpus", "sha256")
        name = run.text("corpus", "name") or str(settings.get("corpus.name", "?"))
        settings["corpus"] = f"{name}@{sha[:8]}" if sha else name
    trainer_keys.fill_in_defaults(runs)


def _scheme_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return for every scheme those of its settings that vary among its runs."""
    by_scheme: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_scheme[run.settings["position.name"]].append(run)
    return {
        name: [
            key
            for key in sorted({key for run in own for key in run.settings})
            if key.startswith("position.") and key not in ("position.name", *TUNED) and len(_values(own, key)) > 1
        ]
        for name, own in by_scheme.items()
    }


def _values(runs: Iterable[Run], key: str) -> set[Any]:
    """Return the values of runs that have the key: an older run without a newer setting does not make it vary."""
    return {run.settings[key] for run in runs if key in run.settings}


def find_varying(runs: Sequence[Run]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the keys that vary, the scheme first, and {key: others that change exactly with it}.

    The effects of keys that change only together cannot be separated.
    """
    keys = sorted(
        {
            key
            for run in runs
            for key in run.settings
            if key in ("position", "tokenizer", "corpus") or affects_score(key)
        },
        key=_rank,
    )
    kept: list[str] = []
    partitions: dict[tuple[int, ...], str] = {}
    together: dict[str, list[str]] = {}
    for key in keys:
        if len(_values(runs, key)) < 2:
            continue
        numbers: dict[Any, int] = {}
        partition = tuple(numbers.setdefault(run.settings.get(key), len(numbers)) for run in runs)
        if partition in partitions:
            together.setdefault(partitions[partition], []).append(key)
        else:
            partitions[partition] = key
            kept.append(key)
    return kept, together


def _rank(key: str) -> tuple[int, str]:
    return next((rank for rank, part in enumerate(ORDER) if key.startswith(part)), len(ORDER)), key


def select_runs(runs: Sequence[Run], conditions: Sequence[str]) -> list[Run]:
    """Return the runs that meet every `key=value` (`key=a,b` accepts either).

    Raises UserError if a condition has no value, no run has its key, or no run meets it.
    """
    known = {key for run in runs for key in run.settings}
    kept = list(runs)
    for condition in conditions:
        key, equals, wanted = condition.partition("=")
        if not equals:
            raise UserError(f"--where {condition}: give key=value, for example --where model.embedding_dim=64")
        key = resolve_key(key.strip(), known, "--where")
        values = [value.strip() for value in wanted.split(",")]
        kept = [run for run in kept if any(_matches(run.settings.get(key), value) for value in values)]
        if not kept:
            values_of_runs = sorted({format_value(run.settings.get(key)) for run in runs})
            raise UserError(f"--where {condition} leaves no run: {key} is {', '.join(values_of_runs[:12])}")
    return kept


def resolve_key(key: str, known: Iterable[str], option: str) -> str:
    """Return `key`, or the only known key that ends with it (as `embedding_dim`).

    Raises UserError with similar keys if there is none, or more than one.
    """
    known = set(known)
    if key in known:
        return key
    ends = sorted(name for name in known if name.endswith("." + key))
    if len(ends) == 1:
        return ends[0]
    near = ends or difflib.get_close_matches(key, sorted(known), 3)
    raise UserError(f"{option} {key}: no run has this setting" + (f"; is it {' or '.join(near)}?" if near else ""))


def _matches(value: Any, text: str) -> bool:
    if format_value(value) == text or str(value) == text:
        return True
    try:
        return not isinstance(value, bool | str) and value is not None and float(value) == float(text)
    except (ValueError, OverflowError):
        return False


def format_value(value: Any) -> str:
    """Format a setting as yaml would, with floats in short form."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def natural_order(value: Any) -> tuple[int, float, str]:
    """Return a sort key: numbers by size, then text alphabetically, then missing values."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
