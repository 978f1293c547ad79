"""The files of `corpus.path`, each once, even if several links lead to it."""

import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user

log = logging.getLogger(__name__)
SUFFIXES = tuple(kind + packed for kind in (".txt", ".md", ".jsonl") for packed in ("", ".gz"))


def find_files(setting: str | list[str]) -> list[Path]:
    """Return the files of `corpus.path`: a file, a folder (all below it, sorted), a glob, or a list of these.

    Links are followed; a file that is found twice is read once, under the first of its names.
    Raises UserError if there is no file, or if a link's target does not exist, because its text would be missing.
    """
    found: dict[str, Path] = {}  # by the path without links, in the order found
    for entry in [setting] if isinstance(setting, str) else setting:
        path = Path(expand_user(entry, "corpus.path"))
        if path.is_dir():
            files = [p for p in sorted(_walk(path)) if _is_text(p, entry)]
        elif path.exists():
            if not suffix_of(path):
                raise UserError(f"corpus.path={entry} does not have a known suffix: give {', '.join(SUFFIXES)}")
            files = [path]
        elif glob.has_magic(entry):
            files = [p for p in map(Path, sorted(glob.glob(str(path), recursive=True))) if _is_text(p, entry)]
        else:
            raise UserError(f"corpus.path={entry} does not exist: give a file, a folder or a glob")
        if not files:
            raise UserError(f"corpus.path={entry} contains no text: give files named {', '.join(SUFFIXES)}")
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def suffix_of(path: Path) -> str:
    """Return the one of SUFFIXES that ends the name; "" if none does."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def _walk(top: Path) -> Iterator[Path]:
    """Yield all files below a folder except hidden ones, each folder once; `Path.rglob` enters no linked folders."""
    seen: set[str] = set()
    for folder, names, files in os.walk(top, followlinks=True, onerror=_raise_unreadable):
        real = os.path.realpath(folder)
        if real in seen:
            if Path(os.path.realpath(os.path.dirname(folder))).is_relative_to(real):
                log.warning("corpus.path: %s is a link to a folder that contains it: not entered again", folder)
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _raise_unreadable(error: OSError) -> None:
    raise UserError(
        f"corpus.path: {error.filename} cannot be read ({error.strerror}): make it readable or give another"
    )


def _is_text(path: Path, entry: str) -> bool:
    if suffix_of(path) and path.is_symlink() and not path.exists():
        raise UserError(
            f"corpus.path={entry}: {path} is a link to {os.readlink(path)}, which does not exist: correct or remove it"
        )
    return bool(suffix_of(path)) and path.is_file()
