"""Hashes of the files that a run reads; a large file is read again only if it changed. Imports no torch."""

import contextlib
import hashlib
import json
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.runs.atomic_write import atomic_write

SMALL = 1 << 20  # bytes; hashed in a millisecond, which is about the time to read a hash from the cache
SETTLED = 2  # seconds since the last change; before that, another change could leave the same time stamp

_known: dict[str, dict[str, Any]] = {}  # by path: `_stamp` and sha256, in this process


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path, cache_dir: Path) -> str:
    """Return the sha256 of a file; that of an unchanged large file comes from `cache_dir`/hashes.

    Unchanged means the same size and times. Without this, 100 finished jobs of a sweep over a text of 1 GB would read
    100 GB. Raises OSError if the file is missing.
    """
    path = path.resolve()
    stamp = _stamp(path)
    kept = cache_dir / "hashes" / f"{hashlib.sha256(str(path).encode(errors='surrogateescape')).hexdigest()[:32]}.json"
    for known in (_known.get(str(path)), _read(kept) if stamp["size"] >= SMALL else None):
        if known is not None and {key: known.get(key) for key in stamp} == stamp:
            return str(known["sha256"])
    found = {**stamp, "sha256": sha256_of(path)}
    if time.time_ns() - max(stamp["mtime_ns"], stamp["ctime_ns"]) > SETTLED * 10**9 and _stamp(path) == stamp:
        _known[str(path)] = found
        if stamp["size"] >= SMALL:
            with contextlib.suppress(OSError):  # the cache cannot be written: the next process hashes again
                kept.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(kept) as file:
                    json.dump(found, file)
    return str(found["sha256"])


def _stamp(path: Path) -> dict[str, Any]:
    """Return what changes with a file's content; `cp -p` and `touch -r` restore mtime, but not ctime."""
    about = path.stat()
    return {
        "path": str(path).encode(errors="surrogateescape").decode(errors="replace"),
        "size": about.st_size,
        "mtime_ns": about.st_mtime_ns,
        "ctime_ns": about.st_ctime_ns,
    }


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) and isinstance(found.get("sha256"), str) else None
    except (OSError, ValueError):
        return None


def is_beside(path: Path, file: Path) -> bool:
    """Whether a source file belongs to the user's `file`: it is that, or lies in its folder or below.

    Installed packages do not, wherever the environment lies, nor does ours: `file` may lie in a checkout.
    """
    path = path.resolve()
    foreign = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")))
    installed = "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in foreign)
    return path.is_relative_to(file.resolve().parent) and not installed


def _beside(file: Path) -> Iterator[str]:
    """Yield the sources of the modules beside the user's `file` that this process has imported, as a rule for it."""
    whole = file.resolve()
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__dict__", {}).get("__file__")
        if not isinstance(source, str) or not source.startswith(str(whole.parent)) or name == "__main__":
            continue
        if Path(source) != whole and is_beside(Path(source), file):
            yield str(file.parent / Path(source).relative_to(whole.parent))


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
