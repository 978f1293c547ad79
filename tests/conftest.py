"""Fixtures that many tests share."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import settings

from embedlab.config.tree import Config
from embedlab.training.whole_config import check_config, register

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tests may run in parallel
settings.register_profile("embedlab", deadline=None)  # machines are shared, so that times vary
settings.load_profile("embedlab")

ROOT = Path(__file__).parents[1]
pytest_plugins = ["tests.commands", "tests.tiny", "tests.wheel"]  # fixtures of tests that run real commands


@pytest.fixture(autouse=True)
def keep_denormal_numbers() -> Iterator[None]:
    """Let the next test in this process have them again: training flushes them, and hypothesis refuses that."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_flush_denormal(False)


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """Return make_config("position=none", …), the typed config of `python train.py position=none …`."""
    register()

    def make(*overrides: str) -> Config:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", [f"run_dir={tmp_path}", *overrides])
        return check_config(cfg)

    return make


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Return the folder of the-verdict.txt and tinyshakespeare.txt."""
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip("no ../shared/corpora beside the repository: the texts to compare with are missing")
    return folder


@pytest.fixture(scope="session")
def verdict(corpora: Path) -> str:
    """Return the text of The Verdict, by Edith Wharton."""
    return (corpora / "the-verdict.txt").read_text(encoding="utf-8")
