"""Restore a run's folder after a command that failed before the run began."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from embedlab.runs.ownership import BEGUN, HYDRA, MARK, RUNNING


class Rollback:
    """What a folder held before the command; create it before anything is written, Hydra's own files included."""

    def __init__(self, folder: Path) -> None:
        folder = Path(os.path.abspath(folder))
        self.folder = folder
        self.missing = [path for path in (folder, *folder.parents) if not path.exists()]  # innermost first
        self.names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        self.recorded = {path: path.read_bytes() for path in folder.glob(f"{HYDRA}/*.yaml")}

    def restore_record(self) -> None:
        """Restore the content of .hydra: a refused `resume=RUN KEY=VALUE` must not change the run's record."""
        for path, content in self.recorded.items():
            if path.parent.is_dir() and path.read_bytes() != content:
                path.write_bytes(content)

    def restore_folder(self, log: str) -> None:
        """Restore the record, and remove what this command wrote if the run did not begin.

        `log` is the name of the run's log file. A folder is removed only if this command made it and it is empty.
        """
        self.restore_record()
        own = (BEGUN | {MARK, log}) - self.names
        now = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        if now - self.names <= own and RUNNING not in now:  # else another process has begun a run here since
            for path in (self.folder / name for name in own):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            self.remove_empty_folders()

    def remove_empty_folders(self) -> None:
        """Remove the folders that this command made, from the innermost to the first that is not empty."""
        with suppress(OSError):
            for path in self.missing:
                path.rmdir()
