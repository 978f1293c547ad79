"""results.json: what a finished run says of itself, written last and atomically. Its presence means finished."""

import importlib.metadata
import json
import math
import platform
import subprocess
from pathlib import Path
from typing import Any

from embedlab.runs.atomic_write import atomic_write

SCHEMA = 1  # grows when a key changes its meaning, so that comparisons can tell


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write strict JSON, at once or not at all: numbers that JSON does not know are null.

    A lone surrogate (a byte of a file name that is no UTF-8) becomes its escape, which reads back as the same string.
    """
    with atomic_write(path, errors="backslashreplace") as file:
        json.dump(finite(content), file, indent=1, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """The value with None for each NaN and infinity below it."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diverged_line(results: dict[str, Any]) -> str | None:
    """What became of a diverged run, in one line with a remedy; None for any other run."""
    if (found := results.get("diverged")) is None:
        return None
    rate = results["config"]["optimizer"]["lr"]
    return (
        f"diverged: the loss is {found['loss']} at step {found['step']} with optimizer.lr={rate}: "
        f"give a lower one, as optimizer.lr={rate / 10:g}, or a longer optimizer.warmup_fraction"
    )


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    packages = ("embedlab", "torch", "lightning", "hydra-core", "tiktoken", "tensorboard", "numpy")
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # a checkout that runs without being installed
            continue
    return found


def git_state(source: Path) -> dict[str, Any]:
    """Commit of the source and whether it was changed since; empty where git does not know it."""

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *command], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}
