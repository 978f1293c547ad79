"""Find the checkpoint that a run's scores belong to. Imports no torch."""

import json
import os
from pathlib import Path

from embedlab.config.errors import UserError
from embedlab.runs.file_hashes import sha256_of
from embedlab.runs.folder import BEST, LAST, PREVIOUS


def about_checkpoint(checkpoint: Path, folder: Path) -> tuple[str, str | None]:
    """Return the path of the scored checkpoint for results.json, and its sha256 if another run may replace it.

    A path in the run's folder is relative to that folder, which may be moved. Outside of it, another run may write to
    the same path (`callbacks.best.dirpath` in a sweep), so the sha256 is recorded too.
    """
    path, top = Path(os.path.abspath(checkpoint)), Path(os.path.abspath(folder))
    if path.is_relative_to(top):
        return path.relative_to(top).as_posix(), None
    return str(path), sha256_of(path)


def find_checkpoint(folder: Path) -> Path:
    """Return the checkpoint that results.json names; else best.ckpt, else last.ckpt (nothing was validated).

    Raises UserError if there is none, or if another run has overwritten it.
    """
    try:
        results = json.loads((folder / "results.json").read_bytes())
        path: Path = folder / results["checkpoint"]
        sha256 = results.get("checkpoint_sha256")
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # unfinished, or of 0.2.0, which named none
        if not (folder / "results.json").exists():
            _refuse_other_names(folder / "checkpoints")
        return _by_name(folder / "checkpoints")
    if not path.is_file():
        raise UserError(f"{path} is missing, and the scores of {folder} are of its weights: put it back")
    if sha256 is not None and sha256 != sha256_of(path):
        raise UserError(f"{path} was overwritten since {folder} was scored: give every run a callbacks.best.dirpath")
    return path


def _refuse_other_names(checkpoints: Path) -> None:
    """Raise UserError if callbacks.best.filename was changed: then only Lightning knows which file is the best."""
    names = {path.name for path in checkpoints.glob("*.ckpt")}
    if BEST not in names and (others := sorted(names - {LAST, PREVIOUS})):
        raise UserError(f"{checkpoints} holds {others[0]}, but the best is known only when the run has finished")


def _by_name(checkpoints: Path) -> Path:
    for name in (BEST, LAST):
        if (path := checkpoints / name).is_file():
            return path
    raise UserError(f"{checkpoints} holds neither {BEST} nor {LAST}: without weights nothing can be measured")
