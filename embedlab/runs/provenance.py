"""Versions of packages and the state of the source that a run was made with."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from embedlab.runs.results import GitState


def versions() -> dict[str, str]:
    """Return {package: version} of those that the results may depend on, with Python and the platform."""
    packages = ("embedlab", "torch", "lightning", "hydra-core", "tiktoken", "tensorboard", "numpy")
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # embedlab itself, in a checkout that is not installed
            continue
    return found


def git_state(source: Path) -> GitState:
    """Return the commit of the source and whether it was changed since; empty if git does not know the source.

    An installed package may be inside a repository of the user, whose commit says nothing about the source.
    """

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *command], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", ".")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}
