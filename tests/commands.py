"""Run commands as users do: real processes, tiny models."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.started import Started

Command = Callable[..., list[str]]


@pytest.fixture
def command(tiny: list[str], tmp_path: Path) -> Command:
    """Return command("-m", "seed=1,2"), which gives the command line of train.py; outputs go to tmp_path."""
    return lambda *arguments: command_line([*tiny, *arguments], tmp_path)


def command_line(arguments: list[str], output_dir: Path) -> list[str]:
    """Return the command line of train.py, with -m first."""
    fixed = ["callbacks.hparams=null", "callbacks.layout=null", f"output_dir={output_dir}"]
    return [sys.executable, "train.py", *sorted([*fixed, *arguments], key=lambda argument: argument != "-m")]


def run_undisturbed(arguments: list[str], top: Path) -> Path:
    """Run a sweep to its end below `top`, without signals or failures, and return the folder of its jobs."""
    sweep = Started(command_line(arguments, top), top / "output")
    assert sweep.end()[0] == 0, sweep.output
    return top / "sweeps" / "default"


@pytest.fixture
def run(command: Command) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return run("-m", …), which runs the command to its end; stdout holds both streams."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )

    return run


@pytest.fixture
def start(command: Command, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Return start("-m", …, PACE="0.5"), which starts the command in the background with an environment."""
    all_started: list[Started] = []

    def start(*arguments: str, **environment: str) -> Started:
        log = tmp_path / f"output_{len(all_started)}"
        resumed = arguments[0].startswith("resume=")  # all settings come from the folder
        line = [*command()[:2], *arguments] if resumed else command(*arguments)
        all_started.append(Started(line, log, **environment))
        return all_started[-1]

    yield start
    for one in all_started:
        one.kill()
