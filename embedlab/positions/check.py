"""A run's whole config, its scheme's settings included: registered with Hydra, then converted and checked."""

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab import positions
from embedlab.config import tree
from embedlab.config.errors import UserError, complaint
from embedlab.config.tree import Config
from embedlab.positions.config import shape_of


def register() -> None:
    """Register all schemas with Hydra, those of the schemes that ship included."""
    tree.register()
    store = ConfigStore.instance()
    for name in positions.names():
        store.store(name=name, group="schema/position", node=positions.config_class(name))


def check_config(cfg: DictConfig) -> Config:
    """Return the composed yaml as typed objects. Raises UserError if anything is wrong with it."""
    # a scheme outside the package has no schema yet: its settings would not fit the node that Hydra composed
    position = positions.configure(OmegaConf.to_container(cfg.position, resolve=True))
    rest = cfg.copy()
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
