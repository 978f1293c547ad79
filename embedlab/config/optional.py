"""Optional packages: what is missing is told before anything starts."""

from importlib.util import find_spec
from typing import Any

from embedlab.config.errors import UserError

LOGGERS = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}  # Lightning's class -> the package that it needs


# Packages that bring a launcher, by the name of its config.
LAUNCHERS = {"submitit_slurm": "hydra-submitit-launcher"}
REPLACED = ("basic", "joblib", "local", "submitit_local")  # by the default launcher, processes


def replaced(launcher: str) -> str:
    """Return what to give instead of a launcher that the default one has replaced."""
    return (
        f"hydra/launcher={launcher} is no longer there: leave it out, jobs run side by side by themselves "
        "(hydra.launcher.n_jobs=NUMBER says how many; 1: one after another)"
    )


def needed_package(launcher: str) -> str | None:
    """How to get this config of hydra/launcher; None for one that no package of ours brings."""
    package = LAUNCHERS.get(launcher)
    return package and f"pip install {package} brings it; or leave hydra/launcher out, for one job after another"


def check_packages(loggers: dict[str, Any]) -> None:
    """UserError for a logger whose package is not installed."""
    for name, node in loggers.items():
        package = LOGGERS.get(str((node or {}).get("_target_")).rsplit(".", 1)[-1])
        if package and find_spec(package) is None:
            raise UserError(
                f"logger.{name} needs the package {package}: pip install {package}, or choose logger=tensorboard or csv"
            )
