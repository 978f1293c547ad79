"""Checkpoint files that are either complete or absent."""

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from embedlab.config.errors import UserError
from embedlab.runs.atomic_write import atomic_path
from embedlab.runs.folder import LAST, PREVIOUS
from embedlab.runs.ownership import check_checkpoint

log = logging.getLogger("embedlab")


class AtomicCheckpointIO(CheckpointIO):
    """Writes a temporary file, syncs, renames it; keeps the file that a new last.ckpt replaces as previous.ckpt.

    Lightning's own copies from the system's temporary folder: a full disk then ruins the good file. `folder` is the
    run's, whose checkpoints are its own; elsewhere no file of others is overwritten.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint. Raises UserError if the file is another's or cannot be written; the one before stays."""
        path = Path(path)
        folder = path.parent if self.folder is None else self.folder
        check_checkpoint(path, folder)
        buffer = io.BytesIO()  # torch's own writer aborts the process if the disk is full
        torch.save(checkpoint, buffer)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_relative_to(folder):  # which is locked: parts are those of killed processes
                for part in path.parent.glob(f".{path.name}.*"):
                    part.unlink()
            kept_as = path.with_name(PREVIOUS) if path.name == LAST else None
            with atomic_path(path, kept_as) as temporary:
                temporary.write_bytes(buffer.getbuffer())
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror}): make room and rerun the same command"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Load tensors and plain values only, whatever the caller asks for, so that no file can run code."""
        return dict(torch.load(path, map_location=map_location or "cpu", weights_only=True))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def find_newest_intact(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return (path, content) of the newest checkpoint in `folder` that can be read; log damaged ones."""
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        if (content := _read(path)) is not None:
            return path, content
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if (bad := archive.testzip()) is not None:  # torch.load does not compare checksums
                raise ValueError(f"{bad} has another checksum")
        return AtomicCheckpointIO().load_checkpoint(path)
    except Exception as error:  # a damaged archive or pickle may raise anything
        remedy = ": using the one before" if path.name == LAST else ""
        log.warning("%s is damaged (%s)%s", path, str(error).splitlines()[0][:120], remedy)
        return None
