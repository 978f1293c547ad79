"""Report a full disk in one line, wherever it is noticed. Imports no torch."""

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedlab.config.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def find_full_disk_error(error: BaseException | None) -> OSError | None:
    """Return the system's error if a full disk (or a quota) caused `error`, else None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def message(full: OSError, folder: Path) -> str:
    """Return the line that reports a full disk."""
    return f"{full.filename or folder} cannot be written ({full.strerror}): make room and rerun the same command"


@contextmanager
def report_full_disk(folder: Path) -> Iterator[None]:
    """Raise UserError if the disk of a run's folder is full.

    Inside, the log's file handler and TensorBoard's thread print no traceback: they fail first, and what they could not
    write is written again when the run resumes from the last checkpoint.
    """
    hook, raises = threading.excepthook, logging.raiseExceptions

    def quiet(thread: Any) -> None:
        if find_full_disk_error(thread.exc_value) is None:
            hook(thread)

    threading.excepthook, logging.raiseExceptions = quiet, False
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or (full := find_full_disk_error(error)) is None:
            raise
        raise UserError(message(full, folder)) from error
    finally:
        threading.excepthook, logging.raiseExceptions = hook, raises
