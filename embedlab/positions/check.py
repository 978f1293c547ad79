"""The whole config of a run, its scheme's settings included: known to Hydra, then read as typed objects and checked."""

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab import positions
from embedlab.config import tree
from embedlab.config.errors import UserError, complaint
from embedlab.config.help import choices_help, settings_help
from embedlab.config.tree import Config
from embedlab.positions.config import shape_of
from embedlab.runs.folder import job_folder


def register() -> None:
    """Make all schemas and resolvers known to Hydra, those of the schemes that ship included."""
    register_resolvers()
    tree.register()
    store = ConfigStore.instance()
    for name in positions.names():
        store.store(name=name, group="schema/position", node=positions.config_class(name))


def register_resolvers() -> None:
    """Make the functions known that conf/config.yaml calls."""
    OmegaConf.register_new_resolver("choices_help", lambda: choices_help(tree.CONF), replace=True)
    OmegaConf.register_new_resolver(
        "settings_help", lambda name, file: settings_help(positions.config_class(name, file)), replace=True
    )
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)


def check_config(cfg: DictConfig) -> Config:
    """Return the composed yaml as typed objects. Raises UserError for whatever is wrong with it."""
    # a scheme outside the package has no schema before this: its keys would not fit the node that Hydra composed
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
