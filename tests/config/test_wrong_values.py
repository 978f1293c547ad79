"""A value of another type than its setting's is one line: the override, its value, and what to give instead."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.field.strange import composer

OWN = """
from dataclasses import dataclass
from enum import Enum

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, setting


class Kind(Enum):
    ODD = 1
    EVEN = 2


@dataclass(slots=True)
class StripesConfig(PositionConfig):
    period: int = setting("width of a stripe", 2)
    weights: list[float] = setting("one for each stripe", [1.0])
    kind: Kind = setting("which stripes", Kind.ODD)

    def build(self, shape):
        return Scheme(self, shape)
"""
WRONG = {
    "seed=abc": "seed=abc cannot be used: give a whole number, as seed=42",
    "seed=null": "seed=null cannot be used: give a whole number, as seed=42",
    "++seed=x": "++seed=x cannot be used: give a whole number, as seed=42",
    "data.batch_size=x": "data.batch_size=x cannot be used: give a whole number, as data.batch_size=8",
    "data.batch_size=": "data.batch_size= cannot be used: give a whole number, as data.batch_size=8",
    "data.batch_size=[1]": "data.batch_size=[1] cannot be used: give a whole number, as data.batch_size=8",
    "optimizer.lr=fast": "optimizer.lr=fast cannot be used: give a number, as optimizer.lr=0.002",
    "model.token_table.frozen=7up": "model.token_table.frozen=7up cannot be used: give true or false, as "
    "model.token_table.frozen=false",
    "output_dir=[1]": "output_dir=[1] cannot be used: give a text, as output_dir=outputs",
    "threads=many": "threads=many cannot be used: give a whole number or null",
    "evaluation.length_factors=2": "evaluation.length_factors=2 cannot be used: give a list of numbers, as "
    "evaluation.length_factors=[1.0,2.0,4.0,8.0]",
    "evaluation.length_factors=[1,x]": "evaluation.length_factors=[1,x] cannot be used: give a list of numbers",
    "evaluation.shuffle_keep={a:1}": "evaluation.shuffle_keep={a:1} cannot be used: give a list of whole numbers",
    "model.token_table=abc": "model.token_table=abc would replace a group of settings: give "
    "model.token_table.NAME=VALUE; `embedlab train --help` lists all",
    "position=rotary position.base=big": "position.base=big cannot be used: give a number, as position.base=10000.0",
    "trainer.max_steps=1.5": "trainer.max_steps=1.5 must be a whole number: 0 or more, or -1 for no limit",
    "trainer.log_every_n_steps=x": "trainer.log_every_n_steps=x cannot be used: give a whole number, 0 or more",
    "+trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches=0 cannot be used: give a whole number, 1 or "
    "more",
    "trainer.val_check_interval=0": "trainer.val_check_interval=0 never validates: give a number of steps, as 60",
    "+trainer.num_nodes=2": "trainer.num_nodes=2 cannot be used: a run has one machine; sweeps use several, by "
    "hydra/launcher=slurm",
    "+trainer.accelerator=cuda": "+trainer.accelerator adds a setting that is there already: write "
    "trainer.accelerator=VALUE, without +",
    "trainer.strategy=ddp": "trainer.strategy=ddp names no setting (if lightning.Trainer has it, write "
    "+trainer.strategy=ddp): `embedlab train --help` lists all",
    "trainer.max_step=3": "trainer.max_step=3 names no setting (did you mean trainer.max_steps?): "
    "`embedlab train --help` lists all",
    "tensorboard=x": "tensorboard=x names no setting: `embedlab train --help` lists all",
    "callbacks.best=3": "callbacks.best=3 cannot be used: give callbacks.best=null, or callbacks.best.KEY=VALUE",
    "logger.tensorboard=x": "logger.tensorboard=x cannot be used: give logger.tensorboard=null, or "
    "logger.tensorboard.KEY=VALUE",
    "~seed": "seed has no value: give seed=VALUE",
    "~optimizer": "optimizer has no value: give optimizer=VALUE",
    "~sead": "~sead names no setting (did you mean seed?): `embedlab train --help` lists all",
    "~seed=3": "~seed=3 deletes nothing, because the value is 42: write ~seed",
}
WRONG_OWN = {
    "+position.period=x": "position.period=x cannot be used: give a whole number, as position.period=2",
    "+position.weights=[a]": "position.weights=['a'] cannot be used: give a list of numbers",
    "+position.weights={a:1}": "position.weights={a:1} cannot be used: give a list of numbers, as "
    "position.weights=[1.0]",
    "+position.kind=NONE": "position.kind=NONE is unknown: give one of ODD, EVEN",
    "position.period=x": "position.period=x names no setting (if the scheme in position.file has it, write "
    "+position.period=x): `embedlab train --help` lists all",
}
OWN_FILE = "; or, for your own file, position=none position.name=stripes position.file=stripes.py"
Line = Callable[[Sequence[str]], str | None]


@pytest.fixture(scope="module")
def line() -> Line:
    return composer()


@pytest.mark.parametrize("overrides", WRONG)
def test_wrong_type(line: Line, overrides: str) -> None:
    assert line(overrides.split()) == WRONG[overrides]


@pytest.mark.parametrize("override", WRONG_OWN)
def test_wrong_type_in_an_own_scheme(line: Line, tmp_path: Path, override: str) -> None:
    own = tmp_path / "stripes.py"
    own.write_text(OWN, encoding="utf-8")
    chosen = ["position=none", "position.name=stripes", f"position.file={own}"]
    assert line([*chosen, "+position.period=3", "+position.kind=EVEN"]) is None
    assert line([*chosen, override]) == WRONG_OWN[override]


@pytest.mark.parametrize("overrides", ["position=stripes", "position=stripes.py", "position=stripes position.period=3"])
def test_an_own_scheme_by_its_name_alone(line: Line, overrides: str) -> None:
    said = line(overrides.split())
    assert said is not None
    assert said.startswith(f"{overrides.split()[0]} is unknown: give one of alibi, ")
    assert said.endswith(OWN_FILE)
