"""Loggers by config: `logger=NAME` chooses them, metrics.csv is always written, a missing package is reported."""

import sys
from collections.abc import Callable

import pytest

from embedlab.config import optional
from embedlab.config.errors import UserError
from embedlab.config.tree import Config

EXTRA = {"csv": [], "tensorboard": ["tensorboard"], "wandb": ["wandb"], "mlflow": ["mlflow"],
         "many": ["tensorboard", "wandb", "mlflow"]}  # fmt: skip


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "find_spec", lambda name: sys)


@pytest.mark.parametrize("name", EXTRA)
@pytest.mark.usefixtures("all_installed")
def test_each_choice_brings_its_loggers_and_metrics_csv(make_config: Callable[..., Config], name: str) -> None:
    assert set(make_config(f"logger={name}").logger) == {"csv", *EXTRA[name]}


def test_a_missing_package_is_reported(make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    assert "tensorboard" in make_config().logger  # needs no extra
    with pytest.raises(
        UserError, match=r"^logger\.mlflow needs the package mlflow: pip install mlflow, or choose logger="
    ):
        make_config("logger=mlflow")
    assert make_config("logger=many", "logger.wandb=null", "logger.mlflow=null").logger["wandb"] is None
