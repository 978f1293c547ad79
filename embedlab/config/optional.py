"""Check optional packages, so that a missing one is reported before anything starts."""

from importlib.util import find_spec
from typing import Any

from embedlab.config.errors import UserError

LOGGERS = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}  # Lightning's class -> the package that it needs


# Packages that bring a launcher, by the name of its config.
LAUNCHERS = {"submitit_slurm": "hydra-submitit-launcher"}
REPLACED = ("basic", "joblib", "local", "submitit_local")  # by the default launcher
NOT_OFFERED = (*REPLACED, "submitit_slurm")  # hydra/launcher=slurm is the one that is set up


def replaced_launcher(launcher: str) -> str:
    """Return the message for a launcher that the default one has replaced."""
    return (
        f"hydra/launcher={launcher} is no longer there: leave it out, because jobs run in parallel by default "
        "(hydra.launcher.n_jobs=NUMBER sets how many; 1: one after another)"
    )


def install_hint(launcher: str) -> str | None:
    """Return how to install this config of hydra/launcher, or None if no package of ours has it."""
    package = LAUNCHERS.get(launcher)
    return package and f"pip install {package} installs it; or leave hydra/launcher out, to run here"


def check_objects(group: str, nodes: dict[str, Any]) -> None:
    """Raise UserError for a callback or logger that is neither null nor the settings of an object."""
    for name, node in nodes.items():
        if node is not None and not isinstance(node, dict):
            raise UserError(
                f"{group}.{name}={node} cannot be used: give {group}.{name}=null, or {group}.{name}.KEY=VALUE"
            )


def check_packages(loggers: dict[str, Any]) -> None:
    """Raise UserError for a logger whose package is not installed."""
    for name, node in loggers.items():
        package = LOGGERS.get(str((node or {}).get("_target_")).rsplit(".", 1)[-1])
        if package and find_spec(package) is None:
            raise UserError(
                f"logger.{name} needs the package {package}: pip install {package}, or choose logger=tensorboard or csv"
            )
