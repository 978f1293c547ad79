"""Log failures of a run's views (projector, figures, tables, lens), which never end the run. Imports no torch."""

import logging
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedlab.runs.full_disk import find_full_disk_error

LOG = "looking.log"  # for each failure one line that names it, then the indented traceback
MOST = 300  # characters of the line that names a failure

log = logging.getLogger("embedlab")


@contextmanager
def log_view_failure(folder: Path, what: str) -> Iterator[None]:
    """Log an exception raised inside, with its traceback, in `folder`, and continue.

    A full disk and a closed output are raised, because they end the run anyway; so are signals, which raise no
    Exception.
    """
    try:
        yield
    except Exception as error:
        if find_full_disk_error(error) or isinstance(error, BrokenPipeError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"{what} failed ({reason})"[:MOST]
        if line in _lines(folder):  # a view that fails at every step is logged once
            return
        trace = textwrap.indent("".join(traceback.format_exception(error)), "    ")
        with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n{trace}\n")
        log.warning("%s: the run continues, the traceback is in %s", line, LOG)


def view_cautions(folder: Path) -> list[str]:
    """Return one caution for each view in `folder` that failed, in the order of the failures."""
    failures = dict.fromkeys(line for line in _lines(folder) if line and not line[0].isspace())
    return [f"{failure}, so its part is missing: the traceback is in {LOG}" for failure in failures]


def _lines(folder: Path) -> list[str]:
    path = folder / LOG
    return path.read_text(encoding="utf-8").split("\n") if path.exists() else []
