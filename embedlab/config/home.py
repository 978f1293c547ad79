"""Replace ~ in path settings by the home folder, which shells do not do after a dotted key. Imports no torch."""

import os
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from embedlab.config.errors import UserError

PATH_NAME = re.compile(r"(path|file|dir)$")  # corpus.path, a logger's save_dir, a callback's dirpath, a scheme's


def expand_user(path: str, key: str) -> str:
    """Return the path with ~ or ~NAME at its start replaced by the home folder; `key` is the setting that holds it.

    Raises UserError if that home folder is unknown; else a folder named ~ would be made.
    """
    homeless = os.environ.get("HOME") == "" and path.split("/")[0] == "~"  # Python would take the system's root for it
    expanded = path if homeless else os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.exists(expanded):  # a file may be named ~draft.txt
        raise UserError(f"{key}={path} names an unknown home folder: give {key}=PATH in full")
    return expanded


def home_paths(cfg: DictConfig) -> dict[str, Any]:
    """Return {dotted key: value} of the path settings that hold ~, with ~ replaced by the home folder.

    Path settings are those whose names end in path, file or dir, also those of Lightning and of a scheme.
    """
    found = {}
    for key in path_settings(OmegaConf.to_container(cfg)):
        value = OmegaConf.select(cfg, key)
        value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        expanded = [_at_home(one, key) for one in value] if isinstance(value, list) else _at_home(value, key)
        if expanded != value:
            found[key] = expanded
    return found


def _at_home(path: Any, key: str) -> Any:
    return expand_user(path, key) if isinstance(path, str) else path  # the setting's own check reports other types


def path_settings(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of every path setting that has a value."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from path_settings(value, f"{prefix}{name}.")
        elif PATH_NAME.search(str(name)) and value not in (None, "???"):
            yield f"{prefix}{name}"


def is_utf8(path: str) -> bool:
    """Whether the path is UTF-8: file names in another encoding, and all but ASCII in the locale C, are not."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def start_folder() -> str:
    """Return the working folder of the command; a Hydra job may have another one (hydra.job.chdir=true)."""
    from hydra.core.hydra_config import HydraConfig  # a tenth of a second that comparisons need not wait for

    return str(HydraConfig.get().runtime.cwd) if HydraConfig.initialized() else os.getcwd()
