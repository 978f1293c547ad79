"""A setting that Lightning's Trainer refuses is named in one line, with its value, Lightning's reason and a remedy."""

from collections.abc import Callable

import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.distributed.launcher import device_count
from embedlab.training.trainer import build_trainer

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
REFUSED = [
    (["trainer.accelerator=gpus"], "trainer.accelerator=gpus cannot be used here (", "): give trainer.accelerator=cpu"),
    (["+trainer.strategy=dpp"], "trainer.strategy=dpp cannot be used here (", "): leave it out"),
    (["trainer.precision=fp16"], "trainer.precision=fp16 cannot be used here (", "): give trainer.precision=32-true"),
    (["trainer.devices=x"], "trainer.devices=x cannot be used here (", "): give trainer.devices=1"),
    (["trainer.devices=null"], "trainer.devices=null cannot be used here (", "): give trainer.devices=1"),
    (["+trainer.nonsense=3"], "trainer.nonsense=3 cannot be used here (", "'nonsense'): leave it out"),
    (["+trainer.max_time=soon"], "trainer.max_time=soon cannot be used here (", "): leave it out"),
    (["trainer.gradient_clip_val=x"], "trainer.gradient_clip_val=x cannot ", "): give trainer.gradient_clip_val=1.0"),
    (["trainer._target_=lightning.Trainr"], "trainer._target_=lightning.Trainr cannot be used here (", ".Trainer"),
    (["trainer._target_=builtins.dict"], "trainer._target_=builtins.dict is no Trainer", "give lightning.Trainer"),
    (["trainer.devices=x", "trainer.precision=fp16"], "trainer=lightning.Trainer cannot be made: ", ""),
    (["trainer.devices=3"], "trainer.devices=3 is 3 devices here: ", "give trainer.devices=3, or 1"),
    pytest.param(["trainer=gpu"], "trainer.accelerator=gpu cannot ", "): give trainer.accelerator=cpu", marks=no_gpu),
    pytest.param(["trainer.accelerator=cuda"], "trainer.accelerator=cuda cannot ", "accelerator=cpu", marks=no_gpu),
]


@pytest.mark.parametrize(("overrides", "start", "end"), REFUSED)
def test_a_refused_setting(make_config: Callable[..., Config], overrides: list[str], start: str, end: str) -> None:
    config = make_config("logger.csv=null", "logger.tensorboard=null", *overrides)
    with pytest.raises(UserError) as caught:
        build_trainer(config, [])
    line = str(caught.value)
    assert line.startswith(start)
    assert line.endswith(end)
    assert "\n" not in line


@pytest.mark.parametrize(
    ("overrides", "processes"),
    [
        ([], 1),
        (["trainer.devices=3"], 3),  # Lightning takes ddp, and would start the whole command three times
        (["trainer.devices=[0,1]"], 2),
        (["trainer.devices=auto"], 1),
        (["+trainer.strategy=auto", "trainer.devices=2"], 2),
        (["trainer=ddp", "trainer.devices=4"], 4),
        (["+trainer.strategy=deepspeed", "trainer.devices=2"], 1),
    ],
)
def test_several_devices_are_several_processes(
    make_config: Callable[..., Config], overrides: list[str], processes: int
) -> None:
    assert device_count(make_config(*overrides)) == processes


@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp_spawn", "ddp_notebook", "ddp_fork_find_unused_parameters_true"])
def test_a_strategy_that_starts_processes_by_itself(make_config: Callable[..., Config], strategy: str) -> None:
    with pytest.raises(UserError, match=f"^trainer.strategy={strategy} starts .*: give trainer.strategy=ddp$"):
        device_count(make_config("trainer=ddp", f"trainer.strategy={strategy}"))


def test_a_strategy_of_several_processes_needs_their_number(make_config: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r"trainer\.devices=auto is not a number: give the number of devices"):
        device_count(make_config("trainer=ddp", "trainer.devices=auto"))
