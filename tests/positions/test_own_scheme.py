"""A user's own scheme: one file outside the package, which itself stays unchanged."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from embedlab import positions
from embedlab.config.errors import UserError
from embedlab.positions.config import shape_of
from embedlab.positions.site import square
from tests.positions.tiny_model import L, TinyModel, scheme, some_ids

OWN = '''
"""Stripes: tokens an even distance away are nearer."""
from dataclasses import dataclass

from embedlab.positions.base import Scheme
from embedlab.config.settings import setting
from embedlab.positions.config import PositionConfig, Shape


@dataclass(slots=True)
class StripesConfig(PositionConfig):
    """A bonus for every so many tokens."""

    period: int = setting("tokens from one stripe to the next", 2)

    def build(self, shape: Shape) -> "Stripes":
        return Stripes(self, shape)


class Stripes(Scheme):
    def bias(self, site):
        stripes = site.distances % self.config.period == 0
        return stripes.float().expand(self.shape.n_heads, -1, -1)
'''


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "stripes.py"
    path.write_text(OWN)
    return path


def test_own_scheme_in_python(own_file: Path) -> None:
    model = TinyModel("stripes", file=str(own_file), period=3)
    plain = TinyModel("none")
    assert model(some_ids()).shape == plain(some_ids()).shape
    assert not torch.allclose(model(some_ids()), plain(some_ids()))
    mixed = scheme("per_layer", schemes=["rotary", {"name": "stripes", "file": str(own_file)}])
    assert [mixed.hooks(layer) for layer in (0, 1)] == [{"rotate"}, {"bias"}]


def test_own_scheme_on_the_command_line(own_file: Path, make_config: Callable[..., object]) -> None:
    config = make_config("position=none", "position.name=stripes", f"position.file={own_file}", "+position.period=5")
    assert config.position.period == 5
    own = positions.build_from(config.position, shape_of(config))
    assert own.bias(square(torch.arange(L)))[0, :, 0].tolist() == [float(i % 5 == 0) for i in range(L)]


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("stripes", None, "does not exist"),
        ("stripes", "class Other: ...", "defines no class StripesConfig"),
        ("stripes", "def f(:", "is not valid Python"),
    ],
)
def test_mistakes_are_reported(name: str, source: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    if source is not None:
        path.write_text(source)
    with pytest.raises(UserError, match=message):
        positions.configure({"name": name, "file": str(path)})


def test_settings_of_schemes_that_ship_are_read_without_torch() -> None:
    script = (
        "import sys; from embedlab import positions\n"
        "for name in positions.names(): positions.configure(name)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2]).returncode == 0
