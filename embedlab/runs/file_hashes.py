"""Hashes of the files that a run reads: large ones are read again only where they changed. Imports no torch."""

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

SMALL = 1 << 20  # bytes; hashed in a millisecond, about what reading a hash from the cache takes
SETTLED = 2  # seconds since the last change; sooner, another change could leave the same time stamp

_known: dict[str, dict[str, Any]] = {}  # path: what `_stamp` and `known_sha256` say of it, in this process


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path, cache_dir: Path) -> str:
    """Return the sha256 of a file, from `cache_dir`/hashes where size and times of a large one are still the same.

    100 finished jobs of a sweep over a text of 1 GB would read 100 GB otherwise. Raises OSError for a missing file.
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
            with contextlib.suppress(OSError):  # a cache without write permission: hashed again by the next process
                kept.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(kept) as file:
                    json.dump(found, file)
    return str(found["sha256"])


def _stamp(path: Path) -> dict[str, Any]:
    """Return what changes with a file's content. `cp -p` and `touch -r` put mtime back, but not ctime."""
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
    """Return {path: sha256} of the user's own files that decide what a run computes: schemes, the modules that these
    import from their own folders, and a token table.

    Paths as the settings give them. A file that cannot be read is not among them: whoever needs it says so.
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
    """Yield every value of a key `file`: a scheme of the user's may stand inside one of ours."""
    if isinstance(node, dict):
        if isinstance(node.get("file"), str):
            yield node["file"]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from _files_in(item)
