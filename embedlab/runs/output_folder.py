"""Make the folder that Hydra writes into, of a run or a sweep, before Hydra does. Imports no torch."""

import os
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user, is_utf8


def resolve_folder(config: DictConfig, kind: str) -> str:
    """Return hydra.run.dir or hydra.sweep.dir with ~ replaced. Raises UserError if TensorBoard cannot write there."""
    folder = expand_user(config.hydra[kind].dir, f"hydra.{kind}.dir")
    if not is_utf8(os.path.abspath(folder)):
        raise UserError(
            f"{folder} cannot be decoded as UTF-8 here, and TensorBoard cannot write there: give another folder, "
            "or PYTHONUTF8=1 before the command"
        )
    return folder


def make_folder(config: DictConfig, kind: str, folder: Path, check: Callable[[Path], None]) -> None:
    """Make the folder. Raises UserError if `check` refuses it or it cannot be written."""
    try:
        check(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        inside = Path(config.output_dir) in folder.parents
        given = f"output_dir={config.output_dir}" if inside else f"hydra.{kind}.dir={folder}"
        raise UserError(
            f"{given} cannot be written ({error.strerror}): give one of your folders, as output_dir=~/embedlab-outputs"
        ) from error
