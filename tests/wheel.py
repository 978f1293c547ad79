"""The package's wheel, and commands of an environment that it is installed in: no checkout, no train.py."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source distribution, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("dist")
    run_outside([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    (found,) = folder.glob("embedlab-*.whl")
    return found


def run_outside(
    command: Sequence[str], folder: Path, *, status: int = 0, timeout: int = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`, without the variables that lead to the checkout; check its exit status."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
    return done
