"""Record a run's settings in its folder, for evaluate, export and resume: no value depends on time or working folder.

Imports no torch.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from embedlab.config.home import home_paths
from embedlab.config.overrides import escape_literal, override
from embedlab.runs.atomic_write import atomic_write

FOLDER = ".hydra"  # Hydra's name; with hydra.output_subdir=null only we write it
RESOLVER = re.compile(r"\$\{\s*[\w.]+\s*:")  # ${now:%H}, ${hydra:job.num}, ${oc.env:HOME}; not ${data.stride}
JOBS_OWN = re.compile(r"\$\{\s*(now|hydra)\s*:")  # values that differ at another time or in another job


def computed_values(cfg: DictConfig, pattern: re.Pattern[str] = RESOLVER) -> dict[str, Any]:
    """Return {dotted key: value} of the settings that a resolver computes, because the value may differ tomorrow.

    Settings of Hydra and `run_dir` are excluded: a run may be moved.
    """
    keys = (key for key, raw in _leaves(OmegaConf.to_container(cfg)) if pattern.search(str(raw)))
    found = {key: OmegaConf.select(cfg, key) for key in keys if key != "run_dir" and not key.startswith("hydra.")}
    return {key: OmegaConf.to_container(v, resolve=True) if OmegaConf.is_config(v) else v for key, v in found.items()}


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, raw value); a list is one value."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def record_config(folder: Path, cfg: DictConfig, overrides: Sequence[str], values: dict[str, Any]) -> None:
    """Write .hydra/config.yaml and overrides.yaml with `values`, computed ones and absolute paths.

    Hydra has already written both as the user gave them, unless hydra.output_subdir is null or another name.
    """
    values = values | home_paths(cfg)
    kept = folder / FOLDER
    if not values and (kept / "config.yaml").exists():
        return
    written = copy.deepcopy(cfg)
    for key, value in values.items():
        OmegaConf.update(written, key, escape_literal(value))
    kept.mkdir(exist_ok=True)
    given = [*overrides, *(override(key, value) for key, value in values.items())]
    for name, content in (("config.yaml", written), ("overrides.yaml", OmegaConf.create(list(dict.fromkeys(given))))):
        with atomic_write(kept / name) as file:
            file.write(OmegaConf.to_yaml(content))
