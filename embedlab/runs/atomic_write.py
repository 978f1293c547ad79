"""Text files that are either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_write(path: Path, newline: str | None = None, errors: str = "strict") -> Iterator[TextIO]:
    """A file to write in, which takes the place of `path` once it is whole and on the disk.

    Written beside, synced, renamed: a kill or a full disk leaves either the old file or the new one, a reader never
    sees half of one, and no part is left behind.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "w", newline=newline, encoding="utf-8", errors=errors) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
