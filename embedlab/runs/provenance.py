"""What a run was made with: versions of packages, and the state of the source."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from embedlab.runs.results import GitState


def versions() -> dict[str, str]:
    """Versions that the numbers may depend on, by package."""
    packages = ("embedlab", "torch", "lightning", "hydra-core", "tiktoken", "tensorboard", "numpy")
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # a checkout that runs without being installed
            continue
    return found


def git_state(source: Path) -> GitState:
    """Commit of the source and whether it was changed since; empty if git does not know it.

    An installed package may lie inside a repository of the user's, whose commit says nothing about the source.
    """

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *command], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", ".")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}
