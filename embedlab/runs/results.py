"""results.json: what a finished run says of itself, written last and atomically. Its presence means finished."""

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from embedlab.runs.atomic_write import atomic_write

SCHEMA = 1  # grows when a key changes its meaning, so that comparisons can tell


def write_json(path: Path, content: dict[str, Any]) -> None:
    """At once or not at all."""
    with atomic_write(path) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)


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
