"""JSON files of the cache, each with the sha256 of its own content: a damaged or foreign one is never trusted.

Imports no torch.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from embedlab.runs.atomic_write import atomic_write

MARK = '{"embedlab": "'  # the first bytes of such a file, also of one that was damaged later


def checksum(content: Any) -> str:
    """Return the sha256 of a value that JSON can hold; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_checked(path: Path) -> Any:
    """Return the content of a file that `write_checked` wrote.

    Raises OSError if there is none, ValueError if it is damaged or foreign.
    """
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict) or checksum(found.get("content")) != found.get("embedlab"):
        raise ValueError(f"{path.name} does not have its own sha256")
    return found["content"]


def write_checked(path: Path, content: Any) -> None:
    """Write the content atomically. Raises OSError if it cannot be written or would replace a file of others."""
    if path.exists() and not is_ours(path):
        raise FileExistsError(f"{path} was not written by embedlab")
    with atomic_write(path) as file:
        file.write(f"{MARK}{checksum(content)}")
        file.write(f'", "content": {json.dumps(content)}}}\n')


def is_ours(path: Path) -> bool:
    """Return whether `write_checked` wrote the file, damaged or not."""
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK.encode()
    except OSError:
        return False
