"""A run's whole config, its scheme's settings included: registered with Hydra, then converted and checked."""

import copy
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab import positions
from embedlab.config import tree
from embedlab.config.errors import UserError
from embedlab.config.help import choices_help, settings_help
from embedlab.config.home import home_paths
from embedlab.config.omegaconf_errors import complaint
from embedlab.config.overrides import escape_literal
from embedlab.config.program import program
from embedlab.config.tree import Config
from embedlab.positions.config import shape_of
from embedlab.runs.folder import job_folder


def register() -> None:
    """Register all schemas and resolvers with Hydra, those of the schemes that ship included."""
    register_resolvers()
    tree.register()
    store = ConfigStore.instance()
    for name in positions.names():
        store.store(name=name, group="schema/position", node=positions.config_class(name))


def register_resolvers() -> None:
    """Register the functions that conf/config.yaml calls."""
    OmegaConf.register_new_resolver("choices_help", lambda: choices_help(tree.CONF), replace=True)
    OmegaConf.register_new_resolver(
        "settings_help", lambda name, file: settings_help(positions.config_class(name, file)), replace=True
    )
    OmegaConf.register_new_resolver("program", lambda: program("train"), replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)


def run_folder() -> str:
    """Return the job's folder; for `--cfg job --resolve`, where there is no job, the one that a run would get."""
    hydra_config: Any = HydraConfig.get()
    no_job = OmegaConf.is_missing(hydra_config.runtime, "output_dir")
    return str(hydra_config.run.dir if no_job else hydra_config.runtime.output_dir)


def check_config(cfg: DictConfig) -> Config:
    """Return the composed yaml as typed objects. Raises UserError if anything is wrong with it."""
    rest = copy.deepcopy(cfg)
    try:
        for key, value in home_paths(rest).items():
            OmegaConf.update(rest, key, escape_literal(value))
    except OmegaConfBaseException as error:
        raise UserError(complaint(error)) from error
    position = positions.configure(OmegaConf.to_container(rest.position, resolve=True))
    # a scheme outside the package has no schema yet: its settings would not fit the node that Hydra composed
    OmegaConf.update(rest, "position", None)
    try:
        config = OmegaConf.to_object(rest)
    except (OmegaConfBaseException, AttributeError, TypeError) as error:
        raise UserError(complaint(error)) from error
    assert isinstance(config, Config)
    config.position = position
    config.validate()
    position.validate(shape_of(config))
    return config
