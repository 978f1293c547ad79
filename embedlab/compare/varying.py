"""Which settings differ between runs, which of them belong together, and which runs are asked for.

Beside the dotted keys of the config every run has three short ones: `position` (the scheme with those of its settings
that vary), `tokenizer` and `corpus`.
"""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from embedlab.compare import trainer_keys, user_files
from embedlab.compare.reading import Run
from embedlab.config.errors import UserError

# What names a folder, splits work or watches a run, and cannot move a score; the corpus is known by its sha256.
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
TUNED = (RATE, SCALE)  # tried at several values, chosen by validation unless --by names them
ORDER = ("position", "model.", "data.", "tokenizer", "corpus", "optimizer.", "trainer.")


def matters(key: str) -> bool:
    """Whether this key of the config can move a score."""
    if key.startswith(("trainer.", "callbacks.")):
        return trainer_keys.matters(key)
    return not any(key == name or (name.endswith(".") and key.startswith(name)) for name in IGNORED)


def with_short_keys(runs: Sequence[Run]) -> None:
    """Add `position`, `tokenizer` and `corpus` to the settings of all runs, and what runs leave to defaults."""
    user_files.name_changes(runs)
    extras = _scheme_settings(runs)
    for run in runs:
        settings = run.settings
        name = settings["position.name"]
        words = [name] + [f"{key.removeprefix('position.')}={show(settings.get(key))}" for key in extras[name]]
        settings["position"] = " ".join(words)
        size = settings.get("tokenizer.vocab_size")
        settings["tokenizer"] = str(settings.get("tokenizer.name", "?")) + ("" if size is None else f"-{show(size)}")
        sha = run.text("corpus", "sha256")
        name = run.text("corpus", "name") or str(settings.get("corpus.name", "?"))
        settings["corpus"] = f"{name}@{sha[:8]}" if sha else name
    trainer_keys.fill_in(runs)


def _scheme_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """For every scheme those of its own settings that vary among its runs."""
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
    """Values among the runs that have the key: an older run that lacks a newer setting does not make it vary."""
    return {run.settings[key] for run in runs if key in run.settings}


def varying(runs: Sequence[Run]) -> tuple[list[str], dict[str, list[str]]]:
    """Keys that vary, the scheme first, and {key: others that vary exactly with it and so cannot be told apart}."""
    keys = sorted(
        {key for run in runs for key in run.settings if key in ("position", "tokenizer", "corpus") or matters(key)},
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
    return next((place for place, part in enumerate(ORDER) if key.startswith(part)), len(ORDER)), key


def select(runs: Sequence[Run], conditions: Sequence[str]) -> list[Run]:
    """Runs that meet every `key=value` (`key=a,b`: either); UserError for a key that no run has."""
    known = {key for run in runs for key in run.settings}
    kept = list(runs)
    for condition in conditions:
        key, equals, wanted = condition.partition("=")
        if not equals:
            raise UserError(f"--where {condition}: give key=value, as --where model.embedding_dim=64")
        key = known_key(key.strip(), known, "--where")
        values = [value.strip() for value in wanted.split(",")]
        kept = [run for run in kept if any(_same(run.settings.get(key), value) for value in values)]
        if not kept:
            there = sorted({show(run.settings.get(key)) for run in runs})
            raise UserError(f"--where {condition} leaves no run: {key} is {', '.join(there[:12])}")
    return kept


def known_key(key: str, known: Iterable[str], option: str) -> str:
    """`key`, or the one known key that ends in it (`embedding_dim`); UserError with near misses otherwise."""
    known = set(known)
    if key in known:
        return key
    ends = sorted(name for name in known if name.endswith("." + key))
    if len(ends) == 1:
        return ends[0]
    near = ends or difflib.get_close_matches(key, sorted(known), 3)
    raise UserError(f"{option} {key}: no run has this setting" + (f"; is it {' or '.join(near)}?" if near else ""))


def _same(value: Any, text: str) -> bool:
    if show(value) == text or str(value) == text:
        return True
    try:
        return not isinstance(value, bool | str) and value is not None and float(value) == float(text)
    except (ValueError, OverflowError):
        return False


def show(value: Any) -> str:
    """A setting as yaml would write it, numbers in short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def natural(value: Any) -> tuple[int, float, str]:
    """Sort key: numbers by size, then text by letter, then what is missing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
