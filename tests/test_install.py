"""The wheel alone, in a fresh environment and an empty folder: what it holds, and what its commands do."""

import json
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wheel import run_outside

Call = Callable[..., subprocess.CompletedProcess[str]]
SEARCH = "import hydra_plugins, embedlab.config.tree as t; print(t.CONF, *hydra_plugins.__path__, sep='\\n')"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a fresh environment that sees the tests' packages; return its commands' folder.

    A .pth file names those packages' folders. It does not lead to an editable embedlab, which has a .pth file itself.
    test_install_dependencies.py installs the dependencies, too.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(symlinks=True).create(folder)
    python = folder / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if Path(path).name == "site-packages"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    # forced, because pip sees an editable embedlab of the same version through the .pth file
    run_outside([*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], folder)
    return python.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the empty folder in which the commands run."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def call(bin_folder: Path, folder: Path) -> Call:
    """Return call("embedlab", "train", …), which runs that environment's command and checks its exit status."""

    def call(command: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        return run_outside([str(bin_folder / command), *arguments], folder, status=status)

    return call


@pytest.fixture(scope="module")
def run_folder(call: Call, folder: Path) -> Path:
    """Return the folder of the run that `embedlab train experiment=smoke` makes."""
    call("embedlab", "train", "experiment=smoke", "threads=1")
    (results,) = folder.glob("outputs/runs/*/*/results.json")
    return results.parent


def test_the_wheel_holds_all_that_runs_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"embedlab/{path.relative_to(ROOT)}" for path in ROOT.glob("conf/**/*.yaml")} <= names
    sources = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("embedlab/**/*.py")]
    plugins = "embedlab/sweep/hydra_plugins/"
    assert {name.replace(plugins, "hydra_plugins/") for name in sources} <= names
    assert {"embedlab/py.typed", "embedlab/compare/template.html"} <= names
    assert not [name for name in names if name.startswith(("tests", "conf", "docs", plugins))]


def test_conf_and_plugins_are_those_of_the_wheel(call: Call, bin_folder: Path) -> None:
    conf, *plugins = call("python", "-c", SEARCH).stdout.splitlines()
    assert Path(conf).is_relative_to(bin_folder.parent)
    assert [path for path in plugins if Path(path, "embedlab_sweeper.py").exists()] == [
        str(Path(conf).parents[1] / "hydra_plugins")
    ]


def test_train(run_folder: Path) -> None:
    results = json.loads((run_folder / "results.json").read_bytes())
    assert results["command"] == "embedlab train experiment=smoke threads=1"
    assert results["config"]["model"]["embedding_dim"] == 32


def test_evaluate_and_export(call: Call, run_folder: Path) -> None:
    call("embedlab", "evaluate", str(run_folder), "evaluation.max_tokens=64")
    (evaluated,) = run_folder.glob("evaluated/*.json")
    assert json.loads(evaluated.read_bytes())["evaluated"]["command"].startswith(f"embedlab evaluate {run_folder}")
    call("embedlab", "export", str(run_folder), "--format", "npy")
    call("python", "-m", "embedlab.export", str(run_folder), "--format", "npy")  # again: the file stays as it is
    assert (run_folder / "tokens.npy").exists()


def test_sweep_and_compare(call: Call, folder: Path) -> None:
    """Run a sweep under the default launcher: each job is a process."""
    sweep = call("embedlab", "train", "-m", "experiment=smoke", "position=none,rotary", "seed=1,2", "threads=1")
    assert "embedlab compare" in sweep.stdout
    assert len(list(folder.glob("outputs/sweeps/default/*/results.json"))) == 4
    call("embedlab", "compare", "outputs/sweeps/default")
    page = (folder / "outputs/sweeps/default/comparison/report.html").read_text(encoding="utf-8")
    assert "embedlab compare outputs/sweeps/default" in page
    call("python", "-m", "embedlab.compare", "outputs/sweeps/default", "--output", "second")
    assert (folder / "second" / "comparison.csv").exists()


def test_two_processes(call: Call, folder: Path) -> None:
    two = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "output_dir=two")
    call("python", "-m", "embedlab", "train", "experiment=smoke", *two)
    assert len(list(folder.glob("two/runs/*/*/results.json"))) == 1


def test_help_and_mistakes_name_what_works_here(call: Call, folder: Path) -> None:
    commands = call("embedlab", "--help").stdout
    for command in ("train", "compare", "evaluate", "export", "check"):
        assert f"embedlab {command} " in commands
        shown = call("embedlab", command, "--help").stdout
        assert f"embedlab {command} " in shown
        assert "train.py" not in shown
    said = call("embedlab", "train", "model.dmi=3", status=1).stderr
    assert said.startswith("error: model.dmi=3 names no setting")
    assert said.endswith(": `embedlab train --help` lists all\n")
    assert call("embedlab", "trian", status=1).stderr == (
        "error: embedlab trian is no command: give one of train, compare, evaluate, export, check\n"
    )


def test_pyproject_names_every_package() -> None:
    folders = {path.parent for path in (ROOT / "embedlab").rglob("*.py") if path.parent.name != "hydra_plugins"}
    packages = {".".join(path.relative_to(ROOT).parts) for path in folders}
    choices = {path.parent for path in (ROOT / "conf").rglob("*.yaml")}
    packages |= {".".join(("embedlab", *path.relative_to(ROOT).parts)) for path in choices | {ROOT / "conf" / "hydra"}}
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert set(named) == packages | {"hydra_plugins"}
