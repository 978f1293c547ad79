"""Configs of a sweep's jobs: composed once per choice of groups; then each job's values are set."""

import copy
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


class Composer:
    """Composes a job's config as Hydra's `load_sweep_config` does, in a tenth of the time for most jobs.

    Hydra reads and merges 30 files for each job (0.1 s), even if jobs differ only in their seed.
    """

    def __init__(self, loader: Any, master: DictConfig) -> None:
        assert isinstance(loader, ConfigLoaderImpl)
        self.loader = loader
        self.master = master
        self.parser = OverridesParser.create(config_loader=loader)
        self.bases: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, overrides: list[str]) -> DictConfig:
        parsed = self.parser.parse_overrides(overrides)
        if any(override.is_delete() or override.is_hydra_override() for override in parsed):
            return self.loader.load_sweep_config(self.master, overrides)
        values = [override for override in parsed if self._is_value(override)]
        key = tuple(override.input_line or "" for override in parsed if override not in values)
        if key not in self.bases:
            self.bases[key] = self.loader.load_sweep_config(self.master, list(key))
        cfg = copy.deepcopy(self.bases[key])
        self.loader._apply_overrides_to_config(values, cfg)
        cfg.hydra.overrides.task = overrides
        about = cfg.hydra.job.config.override_dirname
        cfg.hydra.job.override_dirname = get_overrides_dirname(
            parsed, kv_sep=about.kv_sep, item_sep=about.item_sep, exclude_keys=about.exclude_keys
        )
        OmegaConf.copy_cache(from_config=self.master, to_config=cfg)
        return cfg

    def _is_value(self, override: Override) -> bool:
        """Return whether the override sets an existing key, rather than choosing a yaml or adding a key."""
        return not override.is_add() and not self.loader.repository.group_exists(override.key_or_group)
