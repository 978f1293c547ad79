"""How the user calls us, for messages and records that name a command. Imports no torch."""

import sys
from pathlib import Path

CONSOLE = "embedlab"  # the installed command; embedlab/__main__.py makes sys.argv[0] "embedlab COMMAND"


def program(command: str) -> str:
    """Return what to type for train, compare, evaluate, export or check.

    It is as this process was called, or what works anywhere: only a checkout has train.py.
    """
    called = sys.argv[0]
    if command == "train" and Path(called).name == "train.py":
        return "python train.py"
    if command == "train" or called.startswith(f"{CONSOLE} "):
        return f"{CONSOLE} {command}"
    return f"python -m embedlab.{command}"


def lists_all() -> str:
    """Return where to find every setting, as the end of a message."""
    return f"`{program('train')} --help` lists all"


def command_line() -> str:
    """Return the command of this process, for the record of a run."""
    return " ".join(sys.argv if sys.argv[0].startswith(f"{CONSOLE} ") else ["python", *sys.argv])
