"""Folders made once and kept: written beside and renamed when whole, checked by sha256 whenever they are read."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_folder
from embedlab.runs.file_hashes import sha256_of

log = logging.getLogger(__name__)
META = "meta.json"  # {"files": {name: sha256}, "info": what `build` returned}
Facts = TypeVar("Facts", bound=Mapping[str, Any])
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged folder may raise


def cached(folder: Path, build: Callable[[Path], Facts]) -> Facts:
    """What `build` reported of the folder's files; it runs only where the folder is missing or damaged.

    `build` gets an empty folder to write into and returns JSON-able facts. Any number of processes may call this at
    once: one builds, the others wait. One that is killed leaves a temporary folder, which the next builder removes.
    Raises UserError where the folder cannot be written.
    """
    with suppress(*DAMAGE):
        return _read(folder)  # without the lock, so that a cache without write permission serves
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            try:
                return _read(folder)
            except DAMAGE as error:
                if folder.exists():
                    log.warning("%s is damaged (%s): building it anew", folder, error)
            return _build(folder, build)
    except OSError as error:
        raise UserError(
            f"the cache {folder.parent} cannot be written ({error.strerror or 'the disk is full'}): "
            "give another cache_dir=FOLDER"
        ) from error


def _read(folder: Path) -> Any:
    """The facts of a whole folder; one of DAMAGE where it is missing or not as it was written."""
    meta = json.loads((folder / META).read_bytes())
    for name, sha256 in meta["files"].items():
        if sha256_of(folder / name) != sha256:
            raise ValueError(f"{name} has another sha256")
    return dict(meta["info"])


def _build(folder: Path, build: Callable[[Path], Facts]) -> Facts:
    with atomic_folder(folder) as new:
        info = build(new)
        files = {path.name: sha256_of(path) for path in sorted(new.iterdir())}
        (new / META).write_text(json.dumps({"files": files, "info": info}, indent=1), encoding="utf-8")
        _remove_damaged(folder, {*files, META})
    return info


def _remove_damaged(folder: Path, names: set[str]) -> None:
    """Make room for a folder with files of these `names`. Raises UserError where anything else is there."""
    if not os.path.lexists(folder):
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else {folder.name}
    if other := sorted(found - names):
        raise UserError(
            f"the cache needs {folder}, where embedlab did not write {other[0]}: "
            "move that away, or give another cache_dir=FOLDER"
        )
    for name in found:
        (folder / name).unlink()
    folder.rmdir()


def _lock(folder: Path) -> AbstractContextManager[object]:
    """The folder's lock, taken already; the system frees it when its process ends, however it ends."""
    lock = FileLock(f"{folder}.lock")
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        log.info("waiting for another process that prepares %s", folder.name)
        return lock.acquire()
