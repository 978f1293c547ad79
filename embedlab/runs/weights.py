"""Which checkpoint the scores of a run are of. Imports no torch."""

import json
import os
from pathlib import Path

from embedlab.config.errors import UserError


def find_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that results.json names; else best.ckpt, else last.ckpt where nothing was validated.

    Raises UserError where there is none.
    """
    if (named := _named(folder / "results.json")) is not None:
        path = folder / named
        if not path.is_file():
            raise UserError(f"{path} is not there, and {folder}/results.json is of its weights: put it back")
        return path
    for name in ("best.ckpt", "last.ckpt"):
        if (path := folder / "checkpoints" / name).is_file():
            return path
    raise UserError(f"{folder}/checkpoints holds neither best.ckpt nor last.ckpt: without weights nothing is measured")


def checkpoint_name(checkpoint: Path, folder: Path) -> str:
    """Return the path for results.json: below the run's folder without it, so that the folder can be moved."""
    whole = Path(os.path.abspath(checkpoint))
    top = Path(os.path.abspath(folder))
    return whole.relative_to(top).as_posix() if whole.is_relative_to(top) else str(whole)


def _named(path: Path) -> str | None:
    try:
        results = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    named = results.get("checkpoint") if isinstance(results, dict) else None
    return named if isinstance(named, str) else None
