"""What only looks into a run (projector, figures, tables, lens) never ends it: its failure is logged in the run's
folder. Imports no torch."""

import logging
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedlab.runs.full_disk import full_disk

LOG = "looking.log"  # each failure: one line that names it, then its traceback, indented
MOST = 300  # characters of a failure's line

log = logging.getLogger("embedlab")


@contextmanager
def log_view_failure(folder: Path, what: str) -> Iterator[None]:
    """Log in `folder` what is raised inside, with its traceback, and go on.

    A full disk and an output that nobody reads pass, since they end the run anyway; so do signals, which raise no
    Exception.
    """
    try:
        yield
    except Exception as error:
        if full_disk(error) or isinstance(error, BrokenPipeError):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        line = f"{what} failed ({reason})"[:MOST]
        if line in _lines(folder):  # as at every step: the first time says it
            return
        told = textwrap.indent("".join(traceback.format_exception(error)), "    ")
        with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n{told}\n")
        log.warning("%s: the run goes on, the traceback is in %s", line, LOG)


def view_cautions(folder: Path) -> list[str]:
    """One caution for each thing in `folder` that could not be shown or measured, in the order of the failures."""
    heads = dict.fromkeys(line for line in _lines(folder) if line and not line[0].isspace())
    return [f"{head}, so its part is missing: the traceback is in {LOG}" for head in heads]


def _lines(folder: Path) -> list[str]:
    path = folder / LOG
    return path.read_text(encoding="utf-8").split("\n") if path.exists() else []
