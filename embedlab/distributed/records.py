"""Errors of a job's processes: each process records its own, and the earliest is the reason of the failure.

If one rank fails, the others fail after it, in a collective without an answer. Imports no torch.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

FOLDER = "EMBEDLAB_ERRORS"  # environment variable with the folder of the records


class Record(NamedTuple):
    """The error of one process."""

    time: float  # seconds, by the machine's clock
    text: str  # one line for a UserError, otherwise a traceback


def write_record(record: Record) -> None:
    """Record this process's error."""
    path = Path(os.environ[FOLDER], f"{os.environ['LOCAL_RANK']}.json")
    path.write_text(json.dumps(record), encoding="utf-8")


def first_error(folder: Path) -> str | None:
    """Return the earliest error; None if no process recorded one."""
    records = [Record(*json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")]
    return min(records).text.strip() if records else None
