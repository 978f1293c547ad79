"""Why the processes of one job failed: each records its own error, and the earliest is the reason.

Where one rank fails, the others fail after it, in a collective that nobody answers any more. Imports no torch.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

FOLDER = "EMBEDLAB_ERRORS"  # environment variable: where records go


class Record(NamedTuple):
    """One process's error."""

    time: float  # seconds, by the machine's clock
    text: str  # a user's mistake in one line, or a traceback


def write_record(record: Record) -> None:
    """Record this process's error."""
    path = Path(os.environ[FOLDER], f"{os.environ['LOCAL_RANK']}.json")
    path.write_text(json.dumps(record), encoding="utf-8")


def first_error(folder: Path) -> str | None:
    """Return the error that came first; None where no process could record one."""
    records = [Record(*json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")]
    return min(records).text.strip() if records else None
