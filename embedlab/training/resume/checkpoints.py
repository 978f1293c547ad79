"""Checkpoint files that are either whole or not there."""

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

log = logging.getLogger("embedlab")


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside, syncs, renames; keeps the file that a new last.ckpt replaces as previous.ckpt.

    Lightning's own stages in the system's temporary folder and copies: a full disk then ruins the good file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """UserError where the disk is full or not ours; what was there before stays."""
        path = Path(path)
        buffer = io.BytesIO()  # torch's own writer aborts the process where a disk is full
        torch.save(checkpoint, buffer)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for part in path.parent.glob(f".{path.name}.*"):  # of a killed process; the run's folder is locked
                part.unlink()
            kept_as = path.with_name(PREVIOUS) if path.name == LAST else None
            with atomic_path(path, kept_as) as beside:
                beside.write_bytes(buffer.getbuffer())
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror}): make room and give the same command again"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Tensors and plain values only, whoever asks: a file from elsewhere runs no code."""
        return dict(torch.load(path, map_location=map_location or "cpu", weights_only=True))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def newest_whole(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """(path, content) of the newest checkpoint in `folder` that can be read; damaged ones are told in the log."""
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
            if (bad := archive.testzip()) is not None:  # torch.load checks no sums
                raise ValueError(f"{bad} has another checksum")
        return AtomicCheckpointIO().load_checkpoint(path)
    except Exception as error:  # whatever a damaged archive or pickle brings forth
        remedy = ": using the one before" if path.name == LAST else ""
        log.warning("%s is damaged (%s)%s", path, str(error).splitlines()[0][:120], remedy)
        return None
