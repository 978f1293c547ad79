"""Lightning's Trainer and callbacks from plain yaml."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
from hydra.utils import instantiate
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import OmegaConf

from embedlab.config.errors import UserError
from embedlab.config.omegaconf_errors import show_value
from embedlab.config.tree import CONF, Config
from embedlab.runs.error_place import user_place
from embedlab.runs.full_disk import find_full_disk_error
from embedlab.training.resume.checkpoints import AtomicCheckpointIO

IGNORED_WARNINGS = (  # Lightning's, of what is intended here
    ".*does not have many workers.*",  # windows are slices of a memory map: workers would cost more than they save
    ".*exists and is not empty.*",  # Hydra has already written .hydra/ there
    ".*Starting from v1.9.0, `tensorboardX`.*",
    ".*`srun` command is available.*",  # embedlab's launchers start the processes
    ".*LeafSpec.*",  # Lightning itself uses a name that torch has deprecated
)


def build_trainer(config: Config, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    """Make Lightning's Trainer. Raises UserError if Lightning does not accept the settings."""
    loggers = _instantiate_all("logger", config.logger)
    # Slurm's environment would set its own signal handlers and number of processes
    environment = LightningEnvironment()
    plugins = [AtomicCheckpointIO(Path(config.run_dir)), environment]
    try:
        trainer = instantiate(
            config.trainer, callbacks=callbacks, logger=loggers, plugins=plugins, default_root_dir=config.run_dir
        )
    except Exception as error:  # Lightning and its parts raise many types for wrong settings
        raise UserError(describe_refusal(config.trainer, _reason(error))) from error
    if not isinstance(trainer, lightning.Trainer):
        raise UserError(f"trainer._target_={config.trainer.get('_target_')} is no Trainer: give lightning.Trainer")
    if trainer.world_size > 1 and not environment.creates_processes_externally:
        raise UserError(  # Lightning would run the whole command again in each process
            f"trainer.devices={config.trainer.get('devices')} is {trainer.world_size} devices here: "
            f"give trainer.devices={trainer.world_size}, or 1"
        )
    return trainer


def describe_refusal(settings: dict[str, Any], reason: str) -> str:
    """Return one line about the setting for which Lightning's Trainer refuses `settings`, with Lightning's `reason`.

    It is the one that the Trainer does without: with its default instead, the Trainer can be made.
    """
    defaults = OmegaConf.to_container(OmegaConf.load(CONF / "trainer" / "default.yaml"))
    assert isinstance(defaults, dict)
    changed = [key for key, value in settings.items() if key not in defaults or value != defaults[key]]
    for key in sorted(changed, key=lambda key: key != "devices"):  # rather too many devices than the wrong accelerator
        others = {other: value for other, value in settings.items() if other != key}
        others |= {key: defaults[key]} if key in defaults else {}
        with suppress(Exception):  # another setting is wrong
            instantiate(others, logger=False)
            remedy = f"give trainer.{key}={show_value(defaults[key])}" if key in defaults else "leave it out"
            return f"trainer.{key}={show_value(settings[key])} cannot be used here ({reason}): {remedy}"
    return f"trainer={settings.get('_target_')} cannot be made: {reason}"


def make_callbacks(config: Config) -> list[lightning.Callback]:
    """Make the callbacks. Raises UserError for an object that is not a callback."""
    made = _instantiate_all("callbacks", config.callbacks)
    names = [name for name, node in config.callbacks.items() if node is not None]
    for name, callback in zip(names, made, strict=True):
        if not isinstance(callback, lightning.Callback):
            raise UserError(
                f"callbacks.{name} is a {type(callback).__name__}, which is not a callback of Lightning: "
                f"give callbacks.{name}._target_=CLASS of one, or callbacks.{name}=null"
            )
    return made


def _instantiate_all(group: str, nodes: dict[str, Any]) -> list[Any]:
    made = []
    for name, node in nodes.items():
        if node is None:  # turned off with NAME=null
            continue
        try:
            made.append(instantiate(node))
        except Exception as error:  # a class may raise anything for its settings
            if find_full_disk_error(error):
                raise
            place = user_place(error.__cause__ or error)
            raise UserError(f"{group}.{name} cannot be made: {_reason(error)}{place}") from error
    return made


def _reason(error: Exception) -> str:
    """Return what is wrong, without Hydra's line about where, which the message already names."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split("\nfull_key")[0].split())


def clear_lightning_handlers() -> None:
    """Remove Lightning's own log handlers: its messages also reach Hydra's log, and once is enough."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.WARNING)
