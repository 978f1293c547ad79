"""Write files and folders that are either complete or absent; embedlab replaces files only through this module
(export, which never replaces one, has its own).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_path(path: Path, kept_as: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path; the file written there replaces `path` once it is complete and on the disk.

    The file is written beside `path`, synced and renamed: a kill or a full disk leaves either the old file or the new
    one, and a reader never sees half of one. Only a kill leaves the temporary file behind. The old file is renamed to
    `kept_as`, if given.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        if kept_as is not None and path.exists():
            os.replace(path, kept_as)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    r"""Yield a UTF-8 text file to write, which replaces `path` as in `atomic_path`.

    A lone surrogate, as in a file name that is not UTF-8, is written as \udce9, which JSON reads back.
    """
    with (
        atomic_path(path) as beside,
        open(beside, "w", newline=newline, encoding="utf-8", errors="backslashreplace") as file,
    ):
        yield file


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it is renamed to `folder` at the end.

    The caller holds a lock, so that one process at a time is here, and removes an old `folder` before the end, because
    only the caller knows which of its files are ours. The temporary folder of a killed process is removed first.
    """
    beside = folder.with_name(f"{folder.name}.tmp")
    if beside.exists():
        shutil.rmtree(beside)
    beside.mkdir()
    try:
        yield beside
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
