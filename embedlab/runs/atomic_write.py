"""Files and folders that are either whole or not there. Everything that embedlab replaces on disk goes through here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_path(path: Path, kept_as: Path | None = None) -> Iterator[Path]:
    """Yield a path to write a file to, which replaces `path` once it is whole and on the disk.

    Written beside, synced, renamed: a kill or a full disk leaves either the old file or the new one, a reader never
    sees half of one, and no part is left behind, except by a kill. The old file is renamed to `kept_as`, if given.
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
    r"""Yield a text file (UTF-8) to write in, which replaces `path` as `atomic_path` does.

    A lone surrogate (a file name that is not UTF-8 holds some) is written as \udce9, which JSON reads back.
    """
    with (
        atomic_path(path) as beside,
        open(beside, "w", newline=newline, encoding="utf-8", errors="backslashreplace") as file,
    ):
        yield file


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into, which becomes `folder` once it is whole.

    One process at a time: the caller holds a lock, and removes an old `folder` before the end, since only it knows
    which files there are ours. What a killed process left beside is removed first.
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
