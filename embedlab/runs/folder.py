"""A job's folder: its name, its lock, and what it says of the job. Imports no torch."""

import hashlib
import json
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from embedlab.config.errors import OwnCodeError, UserError
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.runs.ownership import ERROR, LOCK, RUNNING
from embedlab.runs.results import Results
from embedlab.runs.same_settings import differences, plain

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"  # in the folder's checkpoints/
LONGEST_NAME = 255  # bytes; the file systems' limit
OTHER_SWEEP = "give sweep_name=ANOTHER, or move the folder away"  # where a finished job had other settings
LONGEST = 120  # characters; file names end at 255 bytes, and files below get names of their own


class ElsewhereError(Exception):
    """Another process works on this job now."""


def job_folder(overrides: str) -> str:
    """`position=rotary,seed=1` as a name for a folder: TensorBoard breaks on + & # %, file systems on length.

    Overrides that only differ in what is replaced or cut off keep different names.
    """
    safe = re.sub(r"[^A-Za-z0-9._,=-]", "_", overrides).strip(".") or "default"
    if (safe == overrides and len(safe) <= LONGEST) or not overrides:
        return safe
    digest = hashlib.sha256(overrides.encode(errors="surrogatepass")).hexdigest()
    return f"{safe[:LONGEST]}-{digest[:8]}"


def fitting(subdir: str) -> str:
    """Return hydra.sweep.subdir as it is, or a name for it where a file system would refuse it or it leaves the sweep.

    ${hydra:job.override_dirname} holds whatever the overrides hold: a path's slashes and dots, and hundreds of letters.
    """
    parts = Path(subdir).parts
    fits = ".." not in parts and all(len(part.encode(errors="surrogatepass")) <= LONGEST_NAME for part in parts)
    return subdir if fits else job_folder(subdir)


@contextmanager
def lock_folder(folder: Path, wait: bool) -> Iterator[None]:
    """Nobody else works in the folder meanwhile; ElsewhereError where somebody does and `wait` is false.

    The system frees the lock when its process ends, however it ends.
    """
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise ElsewhereError(folder.name) from None
    with lock:
        (folder / RUNNING).write_text(str(os.getpid()), encoding="utf-8")
        try:
            yield
        finally:
            (folder / RUNNING).unlink(missing_ok=True)


def results_of(folder: Path, config: Config, remedy: str) -> Results | None:
    """results.json of a finished run; None where there is none.

    Raises UserError, with the `remedy`, where the run had other settings.
    """
    path = folder / "results.json"
    if not path.exists():
        return None
    try:
        results: Results = json.loads(path.read_bytes())
        then = plain(results["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): move the folder away to run the job anew") from error
    now = json.loads(json.dumps(plain(as_yaml(config))))
    if changed := differences(then, now):
        raise UserError(f"{folder} was finished with other settings ({'; '.join(changed[:3])}): {remedy}")
    return results


def interrupted(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    return any((folder / "checkpoints" / name).exists() for name in (LAST, PREVIOUS))


def killed(folder: Path) -> bool:
    """Whether a process began the job and told nothing of its end."""
    if not (folder / RUNNING).exists():
        return False
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            return True
    except Timeout:
        return False


def worked_on_by(folder: Path) -> int | None:
    """The number of the process that works on the job, or that was killed while it did."""
    try:
        return int((folder / RUNNING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_error(folder: Path, error: Exception) -> str:
    """error.txt, with the traceback where it is no mistake of the user's; one line that says the same."""
    if isinstance(error, UserError) and not isinstance(error, OwnCodeError):
        line, told = str(error).splitlines()[-1], f"{error}\n"
    else:
        line = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        told = "".join(traceback.format_exception(error))
    with suppress(OSError):  # a full disk
        (folder / ERROR).write_text(told, encoding="utf-8", errors="backslashreplace")
    return line
