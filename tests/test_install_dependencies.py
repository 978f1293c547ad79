"""The wheel with its dependencies, installed as a user does: by pip, from its registry, into a fresh environment.

The environment of test_install.py sees the packages that the tests run with. This one has only what pyproject.toml
names, so that a forgotten dependency is found. Installing takes about two minutes and 1.4 GB, freed at the end.
"""

import importlib.metadata
import json
import re
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.wheel import run_outside

CONSTRAINTS = ROOT / "constraints.txt"
PROBE = "filelock"  # a small dependency; pip downloads it only if a registry answers
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the wheel and its dependencies, and return the folder of the new environment's commands."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    skip_without_registry(pip, folder)
    run_outside([*pip, "install", "-c", str(CONSTRAINTS), str(wheel)], folder, timeout=1800)
    yield folder / "bin"
    shutil.rmtree(folder)


def skip_without_registry(pip: list[str], folder: Path) -> None:
    """Skip if pip cannot download even one small package. Any other failure to install is a failure of the test."""
    options = ["--no-deps", "--no-cache-dir", "--retries", "0", "--timeout", "15", "-c", str(CONSTRAINTS)]
    command = [*pip, "download", *options, "--dest", str(folder / "probe"), PROBE]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip(f"no package registry answers: pip cannot download {PROBE} as pinned in constraints.txt")


def normalize(name: str) -> str:
    """Return a package's name as registries compare names: python_docs and Python-Docs are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_tested_versions_are_installed(bin_folder: Path) -> None:
    """Every package has the version of constraints.txt, and torch is the build (CPU or CUDA) that runs the tests."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    tested = {normalize(name): version for name, version in tested.items()}
    pip = [str(bin_folder / "python"), "-m", "pip"]
    listed = json.loads(run_outside([*pip, "list", "--format", "json"], bin_folder).stdout)
    installed = {normalize(package["name"]): package["version"] for package in listed}
    assert "embedlab" in installed
    assert installed["torch"] == importlib.metadata.version("torch")
    others = {name: version for name, version in installed.items() if name not in ("embedlab", "pip")}
    assert {name: version.partition("+")[0] for name, version in others.items()}.items() <= tested.items()
    run_outside([*pip, "check"], bin_folder)


def test_the_commands_need_nothing_else(bin_folder: Path, tmp_path: Path) -> None:
    embedlab = str(bin_folder / "embedlab")
    run_outside([embedlab, "train", "experiment=smoke", "threads=1"], tmp_path)
    (results,) = tmp_path.glob("outputs/runs/*/*/results.json")
    assert json.loads(results.read_bytes())["config"]["model"]["embedding_dim"] == 32
    run_outside([embedlab, "compare", "outputs"], tmp_path)
    assert (tmp_path / "outputs" / "comparison" / "report.html").exists()
    run_outside([embedlab, "evaluate", str(results.parent), "evaluation.max_tokens=64"], tmp_path)
    assert len(list(results.parent.glob("evaluated/*.json"))) == 1
    run_outside([embedlab, "export", str(results.parent)], tmp_path)
    assert len(list(results.parent.glob("tokens.*"))) >= 1
