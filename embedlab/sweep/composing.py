"""Configs of a sweep's jobs: composed once for each choice of groups, then with each job's values."""

import copy
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


class Composer:
    """What Hydra's `load_sweep_config` gives for the overrides of a job, in a tenth of the time for most jobs.

    Hydra reads and merges 30 files for each job, a tenth of a second, though jobs that differ in their seed differ in
    nothing else.
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
        """Whether it sets a key that is there, rather than choosing a yaml or adding a key."""
        return not override.is_add() and not self.loader.repository.group_exists(override.key_or_group)
