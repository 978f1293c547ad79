"""Which files `corpus.path` means: each once, by whatever links it is reached."""

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

    Links are followed; a file that is reached twice is read once, under the first of its names. Raises UserError where
    there is none, and for a link to nothing, of which a part of the text would be missing.
    """
    found: dict[str, Path] = {}  # by the path without links; it keeps the order
    for entry in [setting] if isinstance(setting, str) else setting:
        path = Path(expand_user(entry, "corpus.path"))
        if path.is_dir():
            files = [p for p in sorted(_below(path)) if _is_text(p, entry)]
        elif path.exists():
            if not suffix_of(path):
                raise UserError(f"corpus.path={entry} has a name of no known kind: give {', '.join(SUFFIXES)}")
            files = [path]
        elif glob.has_magic(entry):
            files = [p for p in map(Path, sorted(glob.glob(str(path), recursive=True))) if _is_text(p, entry)]
        else:
            raise UserError(f"corpus.path={entry} does not exist: give a file, a folder or a glob")
        if not files:
            raise UserError(f"corpus.path={entry} holds no text: give files named {', '.join(SUFFIXES)}")
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def suffix_of(path: Path) -> str:
    """Return which of SUFFIXES the name ends in; "" for none."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def _below(top: Path) -> Iterator[Path]:
    """Yield every file below a folder but hidden ones, each folder once; `Path.rglob` does not enter linked folders."""
    seen: set[str] = set()
    for folder, names, files in os.walk(top, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in seen:
            if Path(os.path.realpath(os.path.dirname(folder))).is_relative_to(real):
                log.warning("corpus.path: %s is a link to a folder that holds it: not entered again", folder)
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise UserError(f"corpus.path: {error.filename} cannot be read ({error.strerror}): mend it or give another folder")


def _is_text(path: Path, entry: str) -> bool:
    if suffix_of(path) and path.is_symlink() and not path.exists():
        raise UserError(
            f"corpus.path={entry}: {path} is a link to {os.readlink(path)}, which is not there: mend or remove it"
        )
    return bool(suffix_of(path)) and path.is_file()
