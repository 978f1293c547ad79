"""Cache folders, CACHE_DIR/KIND/NAME: written under a temporary name, renamed when complete, checked at every read.

A file of 1 MB or more whose size and times are those of its last check is not hashed again (runs/file_hashes.py);
`python -m embedlab.check` hashes all. Facts that are computed from a folder's files later are JSON files beside them.
"""

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
from embedlab.runs.checked_json import checksum, is_ours, read_checked, write_checked
from embedlab.runs.file_hashes import keep_sha256, known_sha256, sha256_of

log = logging.getLogger(__name__)
META = "meta.json"  # {"files": {name: sha256}, "info": facts that `build` returned, "sha256": that of the two}
Facts = TypeVar("Facts", bound=Mapping[str, Any])
Computed = TypeVar("Computed")
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged folder may raise


def load_or_build(folder: Path, build: Callable[[Path], Facts]) -> Facts:
    """Return the facts that `build` returned about the folder's files; build it if it is missing or damaged.

    `build` gets an empty folder to write into and returns facts that JSON can hold. Any number of processes may call
    this at once: one builds, the others wait. A killed one leaves a temporary folder, which the next builder removes.
    Raises UserError if the folder cannot be written.
    """
    facts: Facts
    with suppress(*DAMAGE):
        facts = _read(folder)  # without the lock, so that a cache without write permission can be used
        return facts
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            try:
                facts = _read(folder)
                return facts
            except DAMAGE as error:
                if folder.exists():
                    log.warning("%s is damaged (%s): building it again", folder, error)
            return _build(folder, build)
    except OSError as error:
        raise UserError(
            f"the cache {folder.parent} cannot be written ({error.strerror or 'the disk is full'}): "
            "give another cache_dir=FOLDER"
        ) from error


def load_or_compute(folder: Path, name: str, compute: Callable[[], Computed]) -> Computed:
    """Return facts about a complete folder, kept in its file `name`; compute them if that is missing or damaged.

    They are what JSON can hold. Of several processes, one computes and the others wait. They are not kept if the cache
    cannot be written or another program's file has that name.
    """
    facts: Computed
    with suppress(*DAMAGE):
        facts = read_checked(folder / name)
        return facts
    try:
        lock = _lock(folder)
    except OSError:  # a cache without write permission
        return compute()
    with lock:
        with suppress(*DAMAGE):
            facts = read_checked(folder / name)
            return facts
        facts = compute()
        try:
            write_checked(folder / name, facts)
        except OSError as error:
            log.warning("%s cannot be kept for other runs: %s", name, error)
        return facts


def _read(folder: Path) -> Any:
    """Return the facts of a folder. Raises one of DAMAGE if it is missing or its files have changed."""
    meta = json.loads((folder / META).read_bytes())
    own = meta.pop("sha256", None)
    if own is not None and own != checksum(meta):  # embedlab 0.2.0 wrote none
        raise ValueError(f"{META} does not have its own sha256")
    for name, sha256 in meta["files"].items():
        if known_sha256(folder / name, folder.parents[1]) != sha256:
            raise ValueError(f"{name} has another sha256")
    return dict(meta["info"])


def _build(folder: Path, build: Callable[[Path], Facts]) -> Facts:
    with atomic_folder(folder) as new:
        info = build(new)
        files = {path.name: sha256_of(path) for path in sorted(new.iterdir())}
        meta = {"files": files, "info": info}
        (new / META).write_text(json.dumps({**meta, "sha256": checksum(meta)}, indent=1), encoding="utf-8")
        _remove_damaged(folder, {*files, META})
    for name, sha256 in files.items():
        keep_sha256(folder / name, sha256, folder.parents[1])
    return info


def _remove_damaged(folder: Path, names: set[str]) -> None:
    """Remove a folder that holds only files of these `names` and computed facts; raise UserError if it holds others."""
    if not os.path.lexists(folder):
        return
    found = {path.name for path in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else {folder.name}
    if other := sorted(name for name in found - names if not is_ours(folder / name)):
        raise UserError(
            f"the cache needs {folder}, where embedlab did not write {other[0]}: "
            "move it away, or give another cache_dir=FOLDER"
        )
    for name in found:
        (folder / name).unlink()
    folder.rmdir()


def _lock(folder: Path) -> AbstractContextManager[object]:
    """Acquire the folder's lock; the system releases it when the process ends, however it ends."""
    lock = FileLock(f"{folder}.lock")
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        log.info("waiting for another process that prepares %s", folder.name)
        return lock.acquire()
