"""Errors of a job's processes: each process records its own, and the earliest is the reason of the failure.

If one rank fails, the others fail after it, in a collective without an answer. Imports no torch.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

from embedlab.config.errors import ProcessFailedError, UserError
from embedlab.runs.atomic_write import atomic_write

FOLDER = "EMBEDLAB_ERRORS"  # environment variable with the folder of the records


class Record(NamedTuple):
    """The error of one process."""

    time: float  # seconds, by the machine's clock
    line: str
    trace: str  # the traceback; "" for a UserError


def write_record(record: Record) -> None:
    """Record this process's error."""
    path = Path(os.environ[FOLDER], f"{os.environ['LOCAL_RANK']}.json")
    with atomic_write(path) as file:  # the launcher may kill this process while it writes
        json.dump(record, file)


def first_error(folder: Path) -> Exception | None:
    """Return the earliest error; None if no process recorded one."""
    records = [Record(*json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")]
    if not records:
        return None
    first = min(records)
    if not first.trace:
        return UserError(first.line)
    failed = ProcessFailedError(first.line)
    failed.__cause__ = RuntimeError(f"in one of the processes:\n{first.trace}")
    return failed
