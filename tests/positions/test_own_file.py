"""A scheme's file of one's own, written as people write Python: imports, helpers, mistakes, other processes."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import cloudpickle
import pytest
import torch

from embedlab import positions
from embedlab.config.errors import OwnCodeError, UserError
from embedlab.model.attention import attend
from embedlab.positions.config import Shape
from embedlab.positions.site import square
from tests.positions.tiny_model import TinyModel, some_ids

ROOT = Path(__file__).parents[2]
SHAPE = {"embedding_dim": 8, "n_heads": 2, "n_layers": 2, "context_length": 4}
HEAD = """
    from dataclasses import dataclass

    import torch

    from embedlab.positions.base import Scheme
    from embedlab.positions.config import PositionConfig, Shape, setting
"""
BODY = """
    @dataclass(slots=True)
    class StripesConfig(PositionConfig):
        period: int = setting("tokens from one stripe to the next", PERIOD)

        def build(self, shape: Shape) -> "Stripes":
            return Stripes(self, shape)


    class Stripes(Scheme):
        def bias(self, site):
            stripes = site.distances % self.config.period == 0
            return stripes.float().expand(self.shape.n_heads, -1, -1)
"""
MADE_OF = {  # how PERIOD, 2, may come about
    "annotated constant": "PERIOD: int = 2",
    "computed constant": "MINUTES = 60 * 60\nPERIOD = MINUTES // 1800",
    "helper function": "def period():\n    return 2\n\n\nPERIOD = period()",
    "enum": "from enum import Enum\n\n\nclass Period(Enum):\n    SHORT = 2\n\n\nPERIOD = Period.SHORT.value",
    "module beside": "from stripes_helpers import PERIOD",
    "relative import": "from .stripes_helpers import PERIOD",
    "postponed annotations": "PERIOD = 2",
}


def write(folder: Path, *parts: str, name: str = "stripes.py", first: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(first + "\n\n".join(dedent(part) for part in parts), encoding="utf-8")
    return path


def build(path: Path, name: str = "stripes", **settings: Any) -> Any:
    return positions.build(name, file=str(path), **SHAPE, **settings)


@pytest.mark.parametrize("made_of", MADE_OF)
def test_constants_helpers_and_modules(made_of: str, tmp_path: Path) -> None:
    write(tmp_path, "PERIOD = 2", name="stripes_helpers.py")
    first = "from __future__ import annotations\n" if made_of == "postponed annotations" else ""
    path = write(tmp_path, HEAD, MADE_OF[made_of], BODY, first=first)
    assert positions.configure({"name": "stripes", "file": str(path)}).period == 2
    assert build(path).bias(square(torch.arange(4)))[0, :, 0].tolist() == [1, 0, 1, 0]
    assert build(path, period=3).bias(square(torch.arange(4)))[0, :, 0].tolist() == [1, 0, 0, 1]


def test_a_setting_may_be_an_enum(tmp_path: Path, make_config: Callable[..., Any]) -> None:
    source = "from enum import Enum\n\n\nclass Kind(Enum):\n    ODD = 1\n    EVEN = 2\n\n\nPERIOD = 2"
    body = BODY.replace("period: int", 'kind: Kind = setting("which", Kind.EVEN)\n        period: int')
    path = write(tmp_path, HEAD, source, body)
    config = make_config("position=none", "position.name=stripes", f"position.file={path}", "+position.kind=ODD")
    assert config.position.kind.name == "ODD"
    assert positions.build_from(config.position, Shape(8, 2, 2, 4)).config.kind.name == "ODD"


def test_a_file_in_a_package_is_imported_under_its_name(tmp_path: Path) -> None:
    package = tmp_path / "embedlab_test_package"
    write(package, "", name="__init__.py")
    write(package, "PERIOD = 2", name="constants.py")
    write(package, "", name="schemes/__init__.py")
    path = write(package, HEAD, "from ..constants import PERIOD", BODY, name="schemes/stripes.py")
    scheme = build(path)
    assert type(scheme).__module__ == "embedlab_test_package.schemes.stripes"
    assert scheme.config.period == 2


def test_two_files_of_one_name_stay_two(tmp_path: Path) -> None:
    paths = []
    for period in (2, 3):
        write(tmp_path / str(period), f"PERIOD = {period}", name="own_constants.py")
        paths.append(write(tmp_path / str(period), HEAD, "from .own_constants import PERIOD", BODY))
    assert [build(path).config.period for path in (*paths, *paths)] == [2, 3, 2, 3]


def test_a_file_is_run_once_and_again_where_it_changed(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, "PERIOD = 2", BODY)
    assert type(build(path)) is type(build(path))
    path = write(tmp_path, HEAD, "PERIOD = 30", BODY)
    assert build(path).config.period == 30


MISTAKES = {
    "PERIOD = 2\ndef f(:": r"stripes.py is not valid Python \(line \d+\): ",
    "PERIOD = TWO": r"stripes.py, line \d+: NameError: name 'TWO' is not defined; HYDRA_FULL_ERROR=1 shows",
    "raise ValueError('two\\nlines')": r"stripes.py, line \d+: ValueError: two; HYDRA",
    "import sys; sys.exit(3)": r"stripes.py, line \d+: SystemExit: 3; HYDRA",
    "import settings": r"stripes.py, line \d+: ModuleNotFoundError: No module named 'settings'; HYDRA",
    "import no_such_module": r"stripes.py, line \d+: ModuleNotFoundError: No module named 'no_such_module'; HYDRA",
    "from embedlab.settings import setting": r"line \d+: ModuleNotFoundError: No module named 'embedlab.settings'; "
    r"since version 0\.3 it is `from embedlab\.positions\.config import PositionConfig, Shape, setting`",
    "import broken_beside": r"stripes.py: .*broken_beside.py, line 3: ZeroDivisionError: division by zero; HYDRA",
    "import unreadable_beside": r"stripes.py: .*unreadable_beside.py, line 1: SyntaxError: .*; HYDRA",
}


@pytest.mark.parametrize("source", MISTAKES)
def test_an_exception_is_one_line_with_its_place(source: str, tmp_path: Path) -> None:
    write(tmp_path, "ONE = 1\n\nTWO = ONE / 0", name="broken_beside.py")
    write(tmp_path, "def f(:", name="unreadable_beside.py")
    path = write(tmp_path, HEAD, source, BODY)
    with pytest.raises(OwnCodeError, match=MISTAKES[source]) as caught:
        positions.configure({"name": "stripes", "file": str(path)})
    assert "\n" not in str(caught.value)
    said = str(caught.value)
    if "line " in said and "beside" not in source and "def f" not in source:
        number = int(said.partition("line ")[2].partition(":")[0])
        assert path.read_text().splitlines()[number - 1] in source


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("class Other: ...", r"defines no class StripesConfig: name it after position\.name=stripes$"),
        ("class WideBandsConfig(PositionConfig): ...", r"for WideBandsConfig, give position\.name=wide_bands$"),
        (
            "class StripesConfig(PositionConfig):\n    period: int = 2",
            r"is no dataclass: write @dataclass",
        ),
    ],
)
def test_a_class_that_cannot_hold_settings(wrong: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, wrong)
    with pytest.raises(UserError, match=message):
        positions.configure({"name": "stripes", "file": str(path)})


def test_exceptions_in_validate_build_and_hooks(tmp_path: Path) -> None:
    in_build = BODY.replace("return Stripes(self, shape)", "return Stripes(self)")
    with pytest.raises(OwnCodeError, match=r"line \d+: TypeError: .*missing 1 required positional argument: 'shape'"):
        build(write(tmp_path, HEAD, "PERIOD = 2", in_build, name="build.py"))
    in_validate = BODY.replace("def build", "def validate(self, shape):\n            1 / 0\n\n        def build")
    with pytest.raises(OwnCodeError, match=r"line \d+: ZeroDivisionError: division by zero"):
        build(write(tmp_path, HEAD, "PERIOD = 2", in_validate, name="validate.py"))
    in_hook = BODY.replace("% self.config.period", "+ torch.ones(7)")
    scheme = build(write(tmp_path, HEAD, "PERIOD = 2", in_hook, name="hook.py"))
    with pytest.raises(OwnCodeError, match=r"hook.py, line \d+: RuntimeError: The size of tensor a"):
        scheme.bias(square(torch.arange(4)))


CALL = {
    "embed": "self, x, site",
    "mix": "self, x, site",
    "rotate": "self, q, k, site",
    "bias": "self, site",
    "score": "self, q, k, logits, site",
    "weights": "self, logits, site",
    "values": "self, weights, v, site",
}
WRONG = {  # (hook, its last line): the message on both shapes; B = 3, H = 2, T = 4, K = 4, D = 8
    ("embed", "return x[:, :-1]"): r"embed returns \(3, 3, 8\), not \(3, 4, 8\), \(B, T, D\)",
    ("embed", "x + 1"): r"embed returns None \(is there a `return`\?\), not \(3, 4, 8\)",
    ("mix", "return x[..., :4]"): r"mix returns \(3, 4, 4\), not \(3, 4, 8\), \(B, T, D\)",
    ("rotate", "return q"): r"rotate returns \(3, 2, 4, 4\), not \(\(3, 2, 4, 4\), \(3, 2, 4, 4\)\), q and k",
    ("rotate", "return q, k[..., :2]"): r"rotate returns \(\(3, 2, 4, 4\), \(3, 2, 4, 2\)\), not ",
    ("bias", "return torch.zeros(5, 4, 4)"): r"bias returns \(5, 4, 4\), not \(2, 1, 4\), \(H, Tq, Tk\)",
    ("bias", "return torch.zeros(3, 2, 4, 4)"): r"bias returns \(3, 2, 4, 4\), not \(2, 1, 4\)",
    ("score", "return logits[..., :1]"): r"score returns \(3, 2, 4, 1\), not \(3, 2, 4, 4\)",
    (
        "weights",
        "return logits.softmax(-1)[:, :, 0]",
    ): r"weights returns \(3, 2, 4\), not \(3, 2, 4, 4\), \(B, H, Tq, Tk\)",
    ("weights", "return logits.softmax(-1)[:1]"): r"weights returns \(1, 2, 4, 4\), not \(3, 2, 4, 4\)",
    ("values", "return v.mean(1)"): r"values returns \(3, 4, 4\), not \(3, 2, 4, 4\)",
}


def use(scheme: Any) -> None:
    """Call the hooks as the model does, by the fused path where they allow it."""
    x = scheme.embed(torch.zeros(3, 4, 8), square(torch.arange(4)))
    x = scheme.mix(x, square(torch.arange(4), layer=0, x=x))
    q = k = v = torch.randn(3, 2, 4, 4)
    attend(scheme, q, k, v, x=x)


def composed(inside: str, own: dict[str, str]) -> Any:
    """Build the scheme with the user's own within another; `alone`: that itself."""
    if inside == "alone":
        return positions.build(**own, **SHAPE)
    return positions.build(inside, **SHAPE, **({"schemes": [own, "none"]} if inside == "per_layer" else {"inner": own}))


@pytest.mark.parametrize(("hook", "line"), WRONG)
@pytest.mark.parametrize("inside", ["alone", "per_layer", "randomized", "drop_after"])
def test_a_wrong_shape_names_scheme_hook_and_both_shapes(hook: str, line: str, inside: str, tmp_path: Path) -> None:
    body = BODY.partition("    class Stripes(Scheme):")[0]
    own_class = f"class Stripes(Scheme):\n    def {hook}({CALL[hook]}):\n        {line}"
    path = write(tmp_path, HEAD, "PERIOD = 2", body, own_class)
    scheme = composed(inside, {"name": "stripes", "file": str(path)})
    with pytest.raises(UserError, match=rf"^position=stripes \(.*stripes.py\): {WRONG[hook, line]}"):
        use(scheme)


@pytest.mark.parametrize("shape", ["1, Tq, 4", "2, 1, 4", "2, Tq, 4"])
def test_a_bias_may_be_the_same_for_heads_or_queries(shape: str, tmp_path: Path) -> None:
    body = f"def bias(self, site):\n        Tq = len(site.queries)\n        return torch.ones({shape})"
    hook = f"class Stripes(Scheme):\n    {body}"
    path = write(tmp_path, HEAD, "PERIOD = 2", BODY.partition("    class Stripes(Scheme):")[0], hook)
    q = k = v = torch.randn(3, 2, 4, 4)
    for exact in (True, False):
        torch.testing.assert_close(attend(build(path), q, k, v, exact=exact), attend(none(), q, k, v, exact=exact))


def test_a_score_may_be_the_same_for_texts(tmp_path: Path) -> None:
    hook = """
        class Stripes(Scheme):
            def score(self, q, k, logits, site):
                return -site.distances.float().expand(2, -1, -1)

            def values(self, weights, v, site):
                assert weights.shape == (3, 2, *site.distances.shape)
                return weights @ v
    """
    path = write(tmp_path, HEAD, "PERIOD = 2", BODY.partition("    class Stripes(Scheme):")[0], hook)
    q = k = v = torch.randn(3, 2, 4, 4)
    delta = torch.arange(4)[:, None] - torch.arange(4)
    expected = (-delta.float()).masked_fill(delta < 0, -torch.inf).softmax(-1) @ v
    for exact in (True, False):
        torch.testing.assert_close(attend(build(path), q, k, v, exact=exact), expected)


EARLIER = {  # hooks of version 0.2: as they are since
    "embed(self, x, positions)": "embed(self, x, site)",
    "rotate(self, q, k, positions, layer)": "rotate(self, q, k, site)",
    "bias(self, positions, layer)": "bias(self, site)",
    "bias(self, positions, layer=0)": "bias(self, site)",
    "score(self, q, k, x, logits, positions, layer)": "score(self, q, k, logits, site)",
    "values(self, weights, v, positions, layer)": "values(self, weights, v, site)",
}


@pytest.mark.parametrize("hook", EARLIER)
def test_hooks_of_earlier_versions_are_reported_with_their_new_form(hook: str, tmp_path: Path) -> None:
    head = HEAD.replace("import Scheme", "import Scheme, distances")
    path = write(tmp_path, head, "PERIOD = 2", BODY.replace("bias(self, site)", hook))
    line = path.read_text().splitlines().index(f"    def {hook}:") + 1
    given, declared = (form.replace("=0", "") for form in (hook, EARLIER[hook]))
    with pytest.raises(UserError) as caught:
        positions.configure({"name": "stripes", "file": str(path)})
    assert str(caught.value) == (
        f"position.file={path}, line {line}: {given} is, since version 0.3, {declared}; "
        "site has queries, keys, layer, x and distances"
    )


def none() -> Any:
    return positions.build("none", **SHAPE)


def test_the_check_changes_no_number(tmp_path: Path) -> None:
    own = write(
        tmp_path,
        HEAD.replace("import Scheme", "import Scheme\n    from embedlab.positions.alibi import Alibi, AlibiConfig"),
        """
        @dataclass(slots=True)
        class OwnConfig(AlibiConfig):
            def build(self, shape):
                return Own(self, shape)


        class Own(Alibi):
            def bias(self, site):
                return super().bias(site)
        """,
        name="own.py",
    )
    assert torch.equal(TinyModel("own", file=str(own))(some_ids()), TinyModel("alibi")(some_ids()))


READ_BACK = """
import pickle, sys, torch
from embedlab.positions.site import square
scheme, config = pickle.loads(sys.stdin.buffer.read())
print(scheme.bias(square(torch.arange(4)))[0, :, 0].tolist(), config.period, type(config).__name__)
"""


@pytest.mark.parametrize("module", ["", ".stripes_helpers", "stripes_helpers"])
def test_another_process_reads_what_cloudpickle_wrote(module: str, tmp_path: Path) -> None:
    """As the launchers do: the other process has not imported the file."""
    helper = "def remainder(distance, period):\n    return distance % period"
    write(tmp_path, helper, name="stripes_helpers.py")
    source = f"from {module} import remainder" if module else helper
    body = BODY.replace("site.distances % self.config.period", "remainder(site.distances, self.config.period)")
    path = write(tmp_path, HEAD, f"{source}\n\n\nPERIOD = 2", body)
    config = positions.configure({"name": "stripes", "file": str(path)})
    pickled = cloudpickle.dumps((build(path), config))
    done = subprocess.run([sys.executable, "-c", READ_BACK], input=pickled, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split("\n")[0] == "[1.0, 0.0, 1.0, 0.0] 2 StripesConfig"


@pytest.mark.parametrize("inside", ["per_layer", "randomized", "drop_after"])
def test_an_inner_scheme_is_pickled_too(inside: str, tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, "PERIOD = 2", BODY)
    scheme = composed(inside, {"name": "stripes", "file": str(path)})
    again = pickle.loads(cloudpickle.dumps(scheme))
    assert torch.equal(again.bias(square(torch.arange(4))), scheme.bias(square(torch.arange(4))))


def test_submitit_reads_a_scheme(tmp_path: Path) -> None:
    submitit = pytest.importorskip("submitit.core.utils")
    path = write(tmp_path, HEAD, "PERIOD = 2", BODY)
    pickled = tmp_path / "submitted.pkl"
    submitit.DelayedSubmission(build(path).bias, square(torch.arange(4))).dump(pickled)
    script = f"import submitit.core.utils as u; print(u.DelayedSubmission.load({str(pickled)!r}).result())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[1., 0., 1., 0.]" in done.stdout


@pytest.fixture
def in_run(tmp_path: Path) -> list[str]:
    """Overrides that choose a scheme with a helper, an Enum and a relative import."""
    write(tmp_path, "PERIOD = 2", name="stripes_helpers.py")
    kinds = (
        "from enum import Enum\n\nfrom .stripes_helpers import PERIOD\n\n\nclass Kind(Enum):\n    ODD = 1\n    EVEN = 2"
    )
    body = BODY.replace("period: int", 'kind: Kind = setting("which", Kind.EVEN)\n        period: int')
    path = write(tmp_path, HEAD, kinds, body)
    return ["position=none", "position.name=stripes", f"position.file={path}", "+position.kind=ODD"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "started_by",
    [
        [],
        ["-m", "seed=1,2"],
        ["-m", "seed=1,2", "hydra.launcher.n_jobs=1"],
        ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"],
    ],
    ids=["alone", "side by side", "one after another", "two processes"],
)
def test_a_run_with_an_own_file(
    started_by: list[str], in_run: list[str], run: Callable[..., Any], tmp_path: Path
) -> None:
    done = run(*started_by, *in_run)
    assert done.returncode == 0, done.stdout
    found = [json.loads(path.read_bytes()) for path in tmp_path.rglob("results.json")]
    assert len(found) == (2 if "-m" in started_by else 1)
    for results in found:
        assert results["position"] == "stripes"
        assert results["config"]["position"]["kind"] == "ODD"
        assert {Path(path).name for path in results["files"]} == {"stripes.py", "stripes_helpers.py"}


@pytest.mark.slow
def test_a_rerun_notices_a_module_beside(in_run: list[str], run: Callable[..., Any], tmp_path: Path) -> None:
    assert run("-m", "seed=1", *in_run).returncode == 0
    again = run("-m", "seed=1", *in_run)
    assert "skipped" in again.stdout
    assert again.returncode == 0
    write(tmp_path, "PERIOD = 1 + 1", name="stripes_helpers.py")
    changed = run("-m", "seed=1", *in_run)
    assert changed.returncode == 1
    assert "stripes_helpers.py: sha256" in changed.stdout


@pytest.mark.slow
def test_a_mistake_in_a_run_is_one_line_and_its_traceback_is_to_be_had(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "own", HEAD, "PERIOD = TWO", BODY)
    given = ["position=none", "position.name=stripes", f"position.file={path}"]
    done = run(*given)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"error: position.file={path}, line 10: NameError: name 'TWO' is not defined; HYDRA_FULL")
    assert not list(tmp_path.rglob("checkpoints"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    output = run(*given).stdout
    assert "Traceback" in output
    assert f'File "{path}", line 10' in output
    monkeypatch.delenv("HYDRA_FULL_ERROR")
    sweep = run("-m", "seed=1", *given)
    assert sweep.returncode == 1
    (error,) = tmp_path.rglob("error.txt")
    assert "Traceback" in error.read_text()
