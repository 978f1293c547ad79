"""Configs of a sweep's jobs, to find their folders and mistakes before any of them starts."""

import copy

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


class Composer:
    """Composes jobs' configs, reading the yaml files once for all jobs that choose the same ones.

    Hydra reads and merges 30 files for each job. For 100 jobs that differ in their seeds that takes 10 s, this 1 s.
    """

    def __init__(self, loader: ConfigLoader, sweep: DictConfig) -> None:
        self.loader, self.sweep = loader, sweep
        self.parser = OverridesParser.create(config_loader=loader)
        self.bases: dict[tuple[str, ...], DictConfig] = {}
        self.is_group: dict[str, bool] = {}

    def __call__(self, overrides: list[str]) -> DictConfig:
        """Return what Hydra would compose, and raise what it would."""
        parsed = self.parser.parse_overrides(overrides)
        if any(one.is_delete() or one.is_hydra_override() for one in parsed):
            return self.loader.load_sweep_config(self.sweep, overrides)
        values = [override for override in parsed if self._is_value(override)]
        files = tuple(str(override.input_line) for override in parsed if override not in values)
        if files not in self.bases:
            self.bases[files] = self.loader.load_sweep_config(self.sweep, list(files))
        cfg = copy.deepcopy(self.bases[files])
        try:
            for override in values:
                OmegaConf.update(cfg, override.key_or_group, override.value())
        except OmegaConfBaseException:
            return self.loader.load_sweep_config(self.sweep, overrides)  # raises Hydra's own error
        job = cfg.hydra.job
        about = job.config.override_dirname
        lines = sorted(str(one.input_line) for one in parsed if one.key_or_group not in about.exclude_keys)
        job.override_dirname = about.item_sep.join(lines).replace("=", about.kv_sep)
        cfg.hydra.overrides.task = overrides
        OmegaConf.copy_cache(from_config=self.sweep, to_config=cfg)
        return cfg

    def _is_value(self, override: Override) -> bool:
        """Return whether the override sets an existing key, rather than adding one or choosing a yaml file."""
        key = override.key_or_group
        if key not in self.is_group:
            self.is_group[key] = bool(self.loader.get_group_options(key))
        return not (override.is_add() or override.package or self.is_group[key])
