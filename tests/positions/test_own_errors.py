"""An exception in code of the user's own is one line with file and line number, wherever that code is called."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedlab import positions
from embedlab.config.errors import OwnCodeError
from embedlab.config.tree import Config
from embedlab.positions.config import Shape
from embedlab.runs.file_hashes import hash_files
from tests.conftest import ROOT
from tests.field.shell import said, train, write_text

FAILING = """
from dataclasses import dataclass

from embedlab.positions.base import Scheme
from embedlab.positions.config import PositionConfig, setting

from ..constants import PERIOD


def fail_in(config, method):
    if config.where == method:
        raise RuntimeError(f"broken in {method}")


@dataclass(slots=True)
class StripesConfig(PositionConfig):
    period: int = setting("width of a stripe", PERIOD)
    where: str = setting("method that fails", "")

    def build(self, shape):
        fail_in(self, "build")
        return Stripes(self, shape)

    def validate(self, shape):
        fail_in(self, "validate")

    def cautions(self, shape):
        fail_in(self, "cautions")
        return []


class Stripes(Scheme):
    def embed(self, x, site):
        fail_in(self.config, "embed")
        return x

    def at_step(self, step):
        fail_in(self.config, "at_step")

    def table(self):
        fail_in(self.config, "table")

    def hooks(self, layer=0):
        fail_in(self.config, "hooks")
        return super().hooks(layer)

    @property
    def settled(self):
        fail_in(self.config, "settled")
        return True
"""
OF_CONFIG = {
    "build": lambda config, shape: positions.build_from(config, shape),
    "validate": lambda config, shape: config.validate(shape),
    "cautions": lambda config, shape: config.cautions(shape),
}
OF_SCHEME: dict[str, Callable[[Any], Any]] = {
    "at_step": lambda scheme: scheme.at_step(0),
    "table": lambda scheme: scheme.table(),
    "hooks": lambda scheme: scheme.hooks(),
    "settled": lambda scheme: scheme.settled,
    "embed": lambda scheme: scheme.embed(None, None),
}
SHAPE = Shape(8, 2, 2, 4)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The file of a scheme in a package, which imports from the package above its own."""
    package = tmp_path / f"failing_{uuid.uuid4().hex}"  # Python knows one package of a name
    (package / "schemes").mkdir(parents=True)
    for folder in (package, package / "schemes"):
        (folder / "__init__.py").touch()
    (package / "constants.py").write_text("PERIOD = 2\n", encoding="utf-8")
    path = package / "schemes" / "stripes.py"
    path.write_text(FAILING, encoding="utf-8")
    return path


def described(own: Path, method: str) -> str:
    return f"^position.file={own}, line 12: RuntimeError: broken in {method}; HYDRA_FULL_ERROR=1 shows the traceback$"


@pytest.mark.parametrize("method", OF_CONFIG)
@pytest.mark.parametrize("inside", ["alone", "drop_after"])
def test_in_the_settings_class(own: Path, method: str, inside: str) -> None:
    spec: dict[str, Any] = {"name": "stripes", "file": str(own), "where": method}
    config = positions.configure(spec if inside == "alone" else {"name": inside, "inner": spec})
    with pytest.raises(OwnCodeError, match=described(own, method)):
        OF_CONFIG[method](config, SHAPE)


@pytest.mark.parametrize("method", OF_SCHEME)
def test_in_the_scheme(own: Path, method: str) -> None:
    scheme = positions.build("stripes", file=str(own), where=method, **SHAPE._asdict())
    with pytest.raises(OwnCodeError, match=described(own, method)):
        OF_SCHEME[method](scheme)


def test_a_signal_is_no_error_of_the_file(own: Path) -> None:
    own.write_text(FAILING.replace('RuntimeError(f"broken in {method}")', "SystemExit(130)"), encoding="utf-8")
    scheme = positions.build("stripes", file=str(own), where="at_step", **SHAPE._asdict())
    with pytest.raises(SystemExit, match="130"):
        scheme.at_step(0)


def test_when_the_settings_are_checked(own: Path, make_config: Callable[..., Config]) -> None:
    with pytest.raises(OwnCodeError, match=described(own, "validate")):
        make_config("position=none", "position.name=stripes", f"position.file={own}", "+position.where=validate")


def test_a_module_of_the_package_above_is_hashed(own: Path, make_config: Callable[..., Config]) -> None:
    config = make_config("position=none", "position.name=stripes", f"position.file={own}")
    before = hash_files(config)
    constants = str(own.parents[1] / "constants.py")
    assert {constants, str(own)} <= set(before)
    Path(constants).write_text("PERIOD = 1 + 1\n", encoding="utf-8")
    after = hash_files(config)
    assert [path for path in before if before[path] != after[path]] == [constants]


CALLBACK = """
from lightning import Callback


class Bad(Callback):
    def on_train_batch_end(self, *arguments):
        raise RuntimeError("broken on purpose")


class Unmade(Callback):
    def __init__(self):
        raise RuntimeError("broken on purpose")
"""
STARTED = {
    "alone": ["+callbacks.x._target_=own_callbacks.Bad"],
    "in a sweep": ["-m", "seed=1", "+callbacks.x._target_=own_callbacks.Bad"],
    "in two processes": ["trainer.devices=2", "+callbacks.x._target_=own_callbacks.Bad"],
    "when it is made": ["+callbacks.x._target_=own_callbacks.Unmade"],
}


@pytest.mark.slow
@pytest.mark.parametrize("started", STARTED)
def test_in_a_callback(tmp_path: Path, started: str) -> None:
    write_text(tmp_path / "text.txt")
    module = tmp_path / "own_callbacks.py"
    module.write_text(CALLBACK, encoding="utf-8")
    done = train(tmp_path, *STARTED[started], PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 1, said(done)
    assert "Traceback" not in said(done)
    unmade = started == "when it is made"
    line = f"broken on purpose ({module}, line {12 if unmade else 7})"
    assert line in said(done)
    traces = list(tmp_path.rglob("error.txt"))
    assert bool(traces) != unmade, "a setting's mistake has no traceback"
    assert all("own_callbacks.py" in path.read_text(encoding="utf-8") for path in traces)
