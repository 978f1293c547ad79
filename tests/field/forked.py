"""Run `python train.py …` in a child of a process that has imported torch and Lightning: a tiny run takes a second."""

import multiprocessing
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["embedlab.cli", "embedlab.training.run", "embedlab.evaluation", "embedlab.tensorboard.texts"]
)


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    said: str  # stdout and stderr together


def train_py(arguments: list[str], folder: Path, timeout: float = 120) -> Ended:
    """Run the real command line from `folder`: its argv, its output, its exit status."""
    log = folder / "said.txt"
    child = SERVER.Process(target=_main, args=(arguments, str(folder), str(log)), name="MainProcess")
    child.start()
    child.join(timeout)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise TimeoutError(f"{arguments}: still running after {timeout} s:\n{log.read_text(errors='replace')}")
    return Ended(child.exitcode, log.read_text(encoding="utf-8", errors="replace"))


def _main(arguments: list[str], folder: str, log: str) -> None:
    """Become `python train.py ARGUMENTS`."""
    from embedlab import cli

    os.chdir(folder)
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    warnings.resetwarnings()
    sys.argv = ["train.py", *arguments]
    cli.main()
