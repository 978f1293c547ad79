"""Make path settings absolute when a run starts, because it may be resumed from another working folder."""

import glob
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

PATHS = ("output_dir", "cache_dir", "corpus.path", "model.token_table.path")
FILES = "file"  # in `position`, at any depth: a scheme may contain schemes


def absolute_paths(cfg: DictConfig, base: Path) -> dict[str, Any]:
    """Return {setting: value} for each setting of `cfg` that holds a path relative to `base`, with absolute paths.

    `corpus.path=my.txt` given in /home/me -> {"corpus.path": "/home/me/my.txt"}. Values that cannot be read are
    skipped: checking the config reports them.
    """
    found = {}
    for key in PATHS:
        value = _value(cfg, key)
        if (absolute := _absolute(value, base)) != value:
            found[key] = absolute
    position = _value(cfg, "position")
    for key, value in position.items() if isinstance(position, dict) else ():
        if (absolute := _absolute_files({key: value}, base)[key]) != value:
            found[f"position.{key}"] = absolute
    return found


def with_values(cfg: DictConfig, values: dict[str, Any]) -> DictConfig:
    """Return a copy of the config with these values of existing settings."""
    changed = cfg.copy()
    for key, value in values.items():
        OmegaConf.update(changed, key, value, merge=False)
    return changed


def is_path(key: str) -> bool:
    """Whether the setting names a file or folder."""
    return key in PATHS or (key.startswith("position.") and key.endswith(f".{FILES}"))


def same_path(then: Any, now: Any) -> bool:
    """Whether a path that an earlier version recorded as given, `then`, may be the absolute path `now`."""
    if isinstance(then, list) and isinstance(now, list):
        return len(then) == len(now) and all(map(same_path, then, now))
    if not isinstance(then, str) or not isinstance(now, str) or os.path.isabs(then):
        return bool(then == now)
    parts = [part for part in Path(then).parts if part not in ("..", "~")]
    return os.path.isabs(now) and list(Path(now).parts[-len(parts) :]) == parts


def _value(cfg: DictConfig, key: str) -> Any:
    with suppress(OmegaConfBaseException):
        value = OmegaConf.select(cfg, key)
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    return None


def _absolute(value: Any, base: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(item, base) for item in value]
    if not isinstance(value, str) or not value or value.startswith("~") or os.path.isabs(value):
        return value
    path = base / value
    if glob.has_magic(value) and not path.exists():  # a glob: its meaning must not depend on the folder's name
        return str(Path(glob.escape(str(base)), value))
    return str(path)


def _absolute_files(node: Any, base: Path) -> Any:
    if isinstance(node, dict):
        return {k: _absolute(item, base) if k == FILES else _absolute_files(item, base) for k, item in node.items()}
    return [_absolute_files(item, base) for item in node] if isinstance(node, list) else node
