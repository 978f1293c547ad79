"""The scripts and settings that check a change: system packages only on request, the Python versions, the hooks."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PACKAGES = ("chromium", "slurm-wlm munge")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of its own with neither Chromium nor Slurm, and an apt-get that only notes what it was asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "env", "id"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    for name, script in (("apt-get", f'echo "$*" >> {tmp_path}/asked'), ("sudo", 'shift; "$@"')):
        (programs / name).write_text(f"#!{shutil.which('bash')}\n{script}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def system_packages(machine: Path, **environment: str) -> tuple[str, str]:
    """Return what the script printed and what it asked of apt-get."""
    rest = {key: value for key, value in os.environ.items() if key not in ("CI", "EMBEDLAB_SYSTEM_PACKAGES")}
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "system_packages")],
        env=rest | {"PATH": str(machine / "bin")} | environment,
        text=True,
        capture_output=True,
        check=True,
    )
    asked = machine / "asked"
    return done.stdout, asked.read_text() if asked.exists() else ""


def test_nothing_is_installed_unasked(machine: Path) -> None:
    output, asked = system_packages(machine)
    assert asked == ""
    assert [line.split(":")[0] for line in output.splitlines()] == ["no chromium", "no sbatch"]
    assert "tests marked browser will be skipped" in output
    assert "tests/sweep/test_slurm.py will be skipped" in output


@pytest.mark.parametrize("asking", [{"CI": "true"}, {"EMBEDLAB_SYSTEM_PACKAGES": "install"}], ids=str)
def test_installed_where_asked(machine: Path, asking: dict[str, str]) -> None:
    output, asked = system_packages(machine, **asking)
    installed = [line for line in asked.splitlines() if line.startswith("install")]
    assert installed == [f"install -y -qq {packages}" for packages in PACKAGES]
    assert "no chromium" in output  # apt-get brought nothing, which is not held back


def test_what_is_there_is_not_installed(machine: Path) -> None:
    for name in ("google-chrome", "sbatch"):
        (machine / "bin" / name).symlink_to(machine / "bin" / "bash")
    assert system_packages(machine, CI="true") == ("", "")


def test_the_workflow_runs_the_script_on_all_versions() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["checks"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == ">=3.11"


def test_the_hooks_are_the_environments_tools() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert [hook["entry"].split()[0] for hook in hooks] == ["ruff", "ruff", "mypy"]
    for hook in hooks:
        assert hook["language"] == "system"
        assert shutil.which(hook["entry"].split()[0]) is not None
