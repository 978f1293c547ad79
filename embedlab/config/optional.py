"""Check optional packages, so that a missing one is reported before anything starts."""

from importlib.util import find_spec
from typing import Any

from embedlab.config.errors import UserError

LOGGERS = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}  # Lightning's class -> the package that it needs


# Launchers that need an extra of pyproject.toml: {config of the launcher: extra}.
EXTRAS = {"submitit_slurm": "slurm"}
REPLACED = ("basic", "joblib", "local", "submitit_local")  # by the default launcher


def replaced_launcher(launcher: str) -> str:
    """Return the message for a launcher that the default one has replaced."""
    return (
        f"hydra/launcher={launcher} is no longer there: leave it out, because jobs run in parallel by default "
        "(hydra.launcher.n_jobs=NUMBER sets how many; 1: one after another)"
    )


def install_hint(launcher: str) -> str | None:
    """Return how to install this config of hydra/launcher, or None if no extra of ours has it."""
    extra = EXTRAS.get(launcher)
    return (
        extra
        and f"pip install -e '.[{extra}]' installs it; or leave hydra/launcher out, to run the jobs on this machine"
    )


def check_packages(loggers: dict[str, Any]) -> None:
    """Raise UserError for a logger whose package is not installed."""
    for name, node in loggers.items():
        package = LOGGERS.get(str((node or {}).get("_target_")).rsplit(".", 1)[-1])
        if package and find_spec(package) is None:
            raise UserError(
                f"logger.{name} needs the package {package}: pip install {package}, or choose logger=tensorboard or csv"
            )
