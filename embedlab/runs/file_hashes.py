"""Hashes of the files that a run reads; a large file is read again only if it changed. Imports no torch."""

import contextlib
import hashlib
import os
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.runs.checked_json import read_checked, write_checked

SMALL = 1 << 20  # bytes; hashed in a millisecond, which is about the time to read a hash from the cache
SETTLED = 2  # seconds since the last change; before that, another change could leave the same time stamp
HASHES = "hashes"  # folder of known hashes below the cache

Stamp = list[int]  # size, mtime, ctime, inode: what changes with a file's content
Known = dict[str, tuple[Stamp, str]]  # {absolute path: (stamp, sha256)}

_known: Known = {}  # in this process


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path, cache_dir: Path) -> str:
    """Return the sha256 of a file, as `known_sha256s` does."""
    return known_sha256s([path], cache_dir)[0]


def known_sha256s(paths: Sequence[Path], cache_dir: Path) -> list[str]:
    """Return the sha256 of each file; those of unchanged files come from `cache_dir`/hashes.

    Unchanged means the same size, times and inode. Without this, each job of a sweep over a text of 1 GB would read
    1 GB, and a corpus of 20,000 small files would cost each job half a second. One file keeps the hashes of one list.
    Raises OSError if a file is missing.
    """
    stamps = [_stamp(path) for path in paths]
    if _worth_keeping(stamps) and any(os.path.abspath(path) not in _known for path in paths):
        _known.update(read_known(_kept(paths, cache_dir)))
    return _hash(paths, stamps, _known, cache_dir)


def read_sha256s(paths: Sequence[Path], cache_dir: Path) -> list[str]:
    """Return the sha256 of each file, all read whole, and keep them for `known_sha256s`."""
    return _hash(paths, [_stamp(path) for path in paths], {}, cache_dir)


def keep_sha256(path: Path, sha256: str, cache_dir: Path) -> None:
    """Keep the sha256 of a file that only this process has written, so that not even the next job reads it."""
    if _worth_keeping([stamp := _stamp(path)]):
        _keep([path], {os.path.abspath(path): (stamp, sha256)}, cache_dir)


def read_known(kept: Path) -> Known:
    """Return the content of a file in `cache_dir`/hashes; nothing if it is missing, damaged or foreign."""
    with contextlib.suppress(OSError, ValueError):
        return {name: (stamp, sha256) for name, (stamp, sha256) in read_checked(kept).items()}
    return {}


def forget_damaged(kept: Path) -> tuple[list[Path], list[Path]]:
    """Read the unchanged files of a list in `cache_dir`/hashes whole; return (intact, damaged) ones.

    Damaged ones, which have the same size and times but another sha256, are removed from the list, so that the next
    process hashes them. Those that have changed since need no check: the next process hashes them anyway.
    """
    known = read_known(kept)
    unchanged = [name for name, (stamp, _) in known.items() if os.path.exists(name) and _stamp(Path(name)) == stamp]
    damaged = [name for name in unchanged if sha256_of(Path(name)) != known[name][1]]
    if damaged:
        write_checked(kept, {name: about for name, about in known.items() if name not in damaged})
    return [Path(name) for name in unchanged if name not in damaged], [Path(name) for name in damaged]


def _hash(paths: Sequence[Path], stamps: list[Stamp], known: Known, cache_dir: Path) -> list[str]:
    """Return the sha256 of each file, taken from `known` if the stamp is the same; keep those that were read."""
    found: Known = {}
    hashes: list[str] = []
    read = False
    for path, stamp in zip(paths, stamps, strict=True):
        name = os.path.abspath(path)
        if name in known and known[name][0] == stamp:
            found[name] = known[name]
            hashes.append(found[name][1])
            continue
        hashes.append(sha256_of(path))
        if time.time_ns() - max(stamp[1:3]) > SETTLED * 10**9 and _stamp(path) == stamp:
            found[name] = stamp, hashes[-1]
            read = True
    if read:
        _known.update(found)
        if _worth_keeping(stamps):
            _keep(paths, found, cache_dir)
    return hashes


def _keep(paths: Sequence[Path], found: Known, cache_dir: Path) -> None:
    kept = _kept(paths, cache_dir)
    with contextlib.suppress(OSError):  # the cache cannot be written: the next process hashes again
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_checked(kept, found)


def _kept(paths: Sequence[Path], cache_dir: Path) -> Path:
    """Return the file that keeps the hashes of this list of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.path.abspath(path).encode(errors="surrogateescape") + b"\0")
    return cache_dir / HASHES / f"{digest.hexdigest()[:32]}.json"


def _worth_keeping(stamps: list[Stamp]) -> bool:
    return sum(size for size, *_ in stamps) >= SMALL


def _stamp(path: Path) -> Stamp:
    """Return what changes with a file's content; `cp -p` and `touch -r` restore mtime, but not ctime."""
    about = path.stat()
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


def is_beside(path: Path, file: Path) -> bool:
    """Whether a source file belongs to the user's `file`: it lies below the folder that Python imports `file` from.

    Installed packages do not, wherever the environment lies, nor does ours: `file` may lie in a checkout.
    """
    return path.resolve().is_relative_to(import_root(file.resolve())) and not is_installed(path)


def import_root(file: Path) -> Path:
    """Return the folder that has to be in sys.path to import the file: its own, or that above its outermost package."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def is_installed(path: Path) -> bool:
    """Whether a source file is of an installed package, of Python's library or of embedlab."""
    path = path.resolve()
    foreign = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")))
    return "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in foreign)


def _beside(file: Path) -> Iterator[str]:
    """Yield the sources of the modules beside the user's `file` that this process has imported, as a rule for it."""
    whole = file.resolve()
    root = str(import_root(whole))
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(source, str) or not source.startswith(root) or name == "__main__":
            continue
        if Path(source) != whole and is_beside(Path(source), file):
            near = Path(source).is_relative_to(whole.parent)  # then named as the settings name the file
            yield str(file.parent / Path(source).relative_to(whole.parent)) if near else source


def hash_files(config: Config) -> dict[str, str]:
    """Return {path: sha256} of the user's own files that affect the results: schemes, the modules that they import from
    their own folders, and a token table.

    The paths are those of the settings. A file that cannot be read is excluded: the code that needs it reports it.
    """
    settings = as_yaml(config)
    paths = [path for key in ("position", "task") for path in _files_in(settings.get(key))]
    paths += [beside for path in paths for beside in _beside(Path(path).expanduser())]
    paths += filter(None, [config.model.token_table.path])
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):
            found[path] = sha256_of(Path(path).expanduser())
    return found


def _files_in(node: Any) -> Iterator[str]:
    """Yield every value of a key `file`, at any depth: a scheme of ours may contain one of the user's."""
    if isinstance(node, dict):
        if isinstance(node.get("file"), str):
            yield node["file"]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from _files_in(item)
