"""Path settings as the user means them: ~ is the home folder, which shells leave after a dotted key or in quotes, and
a relative path starts in the folder where the command was given."""

import os
import re
from collections.abc import Iterator
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from embedlab.config.errors import UserError

OURS = ("output_dir", "cache_dir", "corpus.path", "model.token_table.path", "position.file")
PATH_NAME = re.compile(r"(path|file|dir)$")  # a logger's save_dir, a callback's dirpath, a scheme's own


def expand_user(path: str, key: str) -> str:
    """Return the path with ~ or ~NAME at its start replaced by the home folder; `key` is the setting that holds it.

    Raises UserError where no home folder is known, which would make a folder named ~.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and re.match(r"~(/|$)", expanded):
        raise UserError(f"{key}={path} has no home folder to stand for ~ (HOME is not set): give {key}=FOLDER")
    return expanded


def whole_paths(cfg: DictConfig) -> dict[str, Any]:
    """Return {dotted key: whole value} of the path settings that are written in short.

    ~ is replaced in every setting whose name ends in path, file or dir, Lightning's and Hydra's included; our own
    become absolute, so that a run means the same files wherever it is resumed or evaluated, with hydra.job.chdir too.
    """
    found = {}
    for key in path_settings(OmegaConf.to_container(cfg)):
        value = OmegaConf.select(cfg, key)
        value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        whole = [_whole(one, key) for one in value] if isinstance(value, list) else _whole(value, key)
        if whole != value:
            found[key] = whole
    return found


def _whole(path: Any, key: str) -> Any:
    if not isinstance(path, str) or not path:
        return path  # the setting's own check refuses it
    expanded = expand_user(path, key)
    starts_a_run = HydraConfig.initialized()  # else an older run's paths are read, as they were recorded
    return os.path.join(start_folder(), expanded) if key in OURS and starts_a_run else expanded


def is_utf8(path: str) -> bool:
    """Whether the path is text; bytes of another encoding, and all but ASCII in the locale C, Python only carries."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def start_folder() -> str:
    """Return the folder where the command was given: Hydra's job may work in another (hydra.job.chdir=true)."""
    return str(HydraConfig.get().runtime.cwd) if HydraConfig.initialized() else os.getcwd()


def path_settings(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of every path setting that has a value."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from path_settings(value, f"{prefix}{name}.")
        elif PATH_NAME.search(str(name)) and value not in (None, "???"):
            yield f"{prefix}{name}"
