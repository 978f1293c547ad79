"""Optional packages: what is missing is told before anything starts."""

from importlib.util import find_spec
from typing import Any

from embedlab.config.errors import UserError

LOGGERS = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}  # Lightning's class -> the package that it needs


# Launchers that need an extra of pyproject.toml, by the config that its package brings.
EXTRAS = {"submitit_slurm": "slurm"}
REPLACED = ("basic", "joblib", "local", "submitit_local")  # by the default launcher, processes


def replaced_launcher(launcher: str) -> str:
    """Return what to give instead of a launcher that the default one has replaced."""
    return (
        f"hydra/launcher={launcher} is no longer there: leave it out, jobs run side by side by themselves "
        "(hydra.launcher.n_jobs=NUMBER says how many; 1: one after another)"
    )


def install_hint(launcher: str) -> str | None:
    """How to get this config of hydra/launcher; None for one that no package of ours brings."""
    extra = EXTRAS.get(launcher)
    return extra and f"pip install -e '.[{extra}]' brings it; or leave hydra/launcher out, for one job after another"


def check_packages(loggers: dict[str, Any]) -> None:
    """UserError for a logger whose package is not installed."""
    for name, node in loggers.items():
        package = LOGGERS.get(str((node or {}).get("_target_")).rsplit(".", 1)[-1])
        if package and find_spec(package) is None:
            raise UserError(
                f"logger.{name} needs the package {package}: pip install {package}, or choose logger=tensorboard or csv"
            )
