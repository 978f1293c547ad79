"""A job's folder: its name, its lock, and the state of the job that it shows. Imports no torch."""

import hashlib
import json
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from embedlab.config.errors import OwnCodeError, ProcessFailedError, UserError
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.runs.ownership import ERROR, LOCK, RUNNING
from embedlab.runs.results import Results
from embedlab.runs.same_settings import deciding_settings, differences

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"  # in the folder's checkpoints/
LONGEST_NAME = 255  # bytes; limit of file systems
OTHER_SWEEP = "give sweep_name=ANOTHER, or move the folder away"  # if a finished job had other settings
LONGEST_LINE = 300  # characters of an error
LONGEST = 120  # characters of overrides in a folder's name; TensorBoard and others add to it


class FolderInUseError(Exception):
    """Another process works in the folder now."""


def job_folder(overrides: str) -> str:
    """Return overrides, as `position=rotary,seed=1`, as a folder name.

    TensorBoard fails on + & # %, and file systems on long names. Different overrides get different names.
    """
    safe = re.sub(r"[^A-Za-z0-9._,=-]", "_", overrides).strip(".") or "default"
    if (safe == overrides and len(safe) <= LONGEST) or not overrides:
        return safe
    digest = hashlib.sha256(overrides.encode(errors="surrogatepass")).hexdigest()
    return f"{safe[:LONGEST]}-{digest[:8]}"


def fit_subdir(subdir: str) -> str:
    """Return hydra.sweep.subdir, or its `job_folder` if it leaves the sweep's folder or is too long for a file system.

    ${hydra:job.override_dirname} may hold a path's slashes and dots, and hundreds of letters.
    """
    parts = Path(subdir).parts
    fits = ".." not in parts and all(len(part.encode(errors="surrogatepass")) <= LONGEST_NAME for part in parts)
    return subdir if fits else job_folder(subdir)


@contextmanager
def lock_folder(folder: Path, wait: bool) -> Iterator[None]:
    """Hold the lock of a folder. Raises FolderInUseError if another process holds it and `wait` is false.

    The system releases the lock when the process ends, even if it is killed.
    """
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise FolderInUseError(folder.name) from None
    with lock:
        (folder / RUNNING).write_text(str(os.getpid()), encoding="utf-8")
        try:
            yield
        finally:
            (folder / RUNNING).unlink(missing_ok=True)


def read_finished(folder: Path, config: Config, remedy: str) -> Results | None:
    """Return results.json of a finished run, or None if there is none.

    Raises UserError if the file cannot be read, or, with `remedy`, if the run had other settings.
    """
    path = folder / "results.json"
    if not path.exists():
        return None
    try:
        results: Results = json.loads(path.read_bytes())
        then = deciding_settings(results["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): move the folder away to run the job again") from error
    now = json.loads(json.dumps(deciding_settings(as_yaml(config))))
    if changed := differences(then, now):
        raise UserError(f"{folder} was finished with other settings ({'; '.join(changed[:3])}): {remedy}")
    return results


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a checkpoint to resume from."""
    return any((folder / "checkpoints" / name).exists() for name in (LAST, PREVIOUS))


def was_killed(folder: Path) -> bool:
    """Whether a process began the job and ended without removing its mark, as a killed one does."""
    if not (folder / RUNNING).exists():
        return False
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            return True
    except Timeout:
        return False


def write_error(folder: Path, error: Exception) -> str:
    """Write error.txt, with the traceback unless it is a UserError, and return the error in one line."""
    if isinstance(error, UserError) and not isinstance(error, OwnCodeError):
        line, content = str(error).splitlines()[-1], f"{error}\n"
    else:
        whole = isinstance(error, OwnCodeError | ProcessFailedError)  # its message is the line
        line = (str(error) if whole else f"{type(error).__name__}: {error}").splitlines()[0][:LONGEST_LINE]
        content = "".join(traceback.format_exception(error))
    with suppress(OSError):  # a full disk
        (folder / ERROR).write_text(content, encoding="utf-8", errors="backslashreplace")
    return line
