"""The whole config of a run, its scheme's settings included: known to Hydra, then read as typed objects and checked."""

import copy

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab import positions
from embedlab.config import tree
from embedlab.config.errors import UserError, complaint
from embedlab.config.home import home_paths
from embedlab.config.overrides import literal
from embedlab.config.tree import Config
from embedlab.positions.config import shape_of


def register() -> None:
    """Make all schemas known to Hydra, those of the schemes that ship included."""
    tree.register()
    store = ConfigStore.instance()
    for name in positions.names():
        store.store(name=name, group="schema/position", node=positions.config_class(name))


def check_config(cfg: DictConfig) -> Config:
    """Return the composed yaml as typed objects. Raises UserError for whatever is wrong with it."""
    rest = copy.deepcopy(cfg)
    try:
        for key, value in home_paths(rest).items():
            OmegaConf.update(rest, key, literal(value))
    except OmegaConfBaseException as error:
        raise UserError(complaint(error)) from error
    position = positions.configure(OmegaConf.to_container(rest.position, resolve=True))
    # a scheme outside the package has no schema before this: its keys would not fit the node that Hydra composed
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
