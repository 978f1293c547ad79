"""A full disk, told in one line wherever it is met. Imports no torch."""

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedlab.config.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def full_disk(error: BaseException | None) -> OSError | None:
    """The system's own error where a full disk (or a quota) is behind `error`."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def message(full: OSError, folder: Path) -> str:
    return f"{full.filename or folder} cannot be written ({full.strerror}): make room and give the same command again"


@contextmanager
def report_full_disk(folder: Path) -> Iterator[None]:
    """UserError where the disk of a run's folder is full.

    Neither the log's file nor TensorBoard's thread print tracebacks of their own meanwhile: both meet it first, and
    what they cannot write is written again after the last checkpoint, when the run goes on.
    """
    hook, raises = threading.excepthook, logging.raiseExceptions

    def quiet(thread: Any) -> None:
        if full_disk(thread.exc_value) is None:
            hook(thread)

    threading.excepthook, logging.raiseExceptions = quiet, False
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or (full := full_disk(error)) is None:
            raise
        raise UserError(message(full, folder)) from error
    finally:
        threading.excepthook, logging.raiseExceptions = hook, raises
