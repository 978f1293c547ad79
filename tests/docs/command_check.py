"""Whether a command of a page could be given: settings compose, options parse, files exist. Starts nothing."""

import shlex
import tomllib
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from embedlab import evaluate, export
from embedlab.check import make_parser as check_parser
from embedlab.compare.__main__ import make_parser as compare_parser
from embedlab.training.whole_config import check_config
from tests.conftest import ROOT
from tests.docs.known_settings import composed, is_sweep

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def check(command: str) -> None:
    """Fail for a command that is unknown or whose settings, options or files do not exist."""
    words = shlex.split(command)
    for start, checked in KNOWN.items():
        if words[: len(start)] == list(start):
            checked(words[len(start) :])
            return
    raise AssertionError(f"{command}: how is such a command checked?")


def check_train(words: list[str]) -> None:
    overrides = [word for word in words if word not in ("-m", "--help") and not word.startswith("resume=")]
    for cfg in composed(overrides, sweep="-m" in words or is_sweep(overrides)):
        check_config(cfg)


def check_compare(words: list[str]) -> None:
    compare_parser().parse_args(words)


def check_evaluate(words: list[str]) -> None:
    settings = [word for word in words[1:] if word != "--help"]
    assert all(word.startswith(evaluate.CHANGEABLE) for word in settings), settings
    composed(settings, sweep=False)
    refused(evaluate.main, words)


def check_export(words: list[str]) -> None:
    refused(export.main, words)


def check_check(words: list[str]) -> None:
    check_parser().parse_args(words)


def refused(main: Callable[[list[str]], None], words: list[str]) -> None:
    """The options parse, so that the folder, which is not there, is what is wrong."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert "outputs/" in str(stop.value.code) or words == ["--help"], stop.value.code


def check_tensorboard(words: list[str]) -> None:
    assert words[0] == "--logdir"
    assert len(words) == 2


def check_pytest(words: list[str]) -> None:
    markers = [line.partition(":")[0] for line in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "-m":
            assert {part for part in after.split() if part not in ("not", "and")} <= set(markers)
        if word.startswith("tests"):
            assert (ROOT / word).exists(), word


def check_module(words: list[str]) -> None:
    assert find_spec(words[0]) is not None, words[0]


def check_file(words: list[str]) -> None:
    assert (ROOT / words[0]).is_file(), words[0]


def check_install(words: list[str]) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    own = [word for word in words if word.startswith(".[")]
    assert all(word[2:-1] in extras for word in own), own


def check_tool(words: list[str]) -> None:
    assert set(words) <= {"check", "format", "."}


KNOWN: dict[tuple[str, ...], Callable[[list[str]], None]] = {
    ("python", "train.py"): check_train,
    ("embedlab", "train"): check_train,
    ("python", "-m", "embedlab.compare"): check_compare,
    ("embedlab", "compare"): check_compare,
    ("python", "-m", "embedlab.evaluate"): check_evaluate,
    ("embedlab", "evaluate"): check_evaluate,
    ("python", "-m", "embedlab.export"): check_export,
    ("embedlab", "export"): check_export,
    ("python", "-m", "embedlab.check"): check_check,
    ("embedlab", "check"): check_check,
    ("python", "-m", "pytest"): check_pytest,
    ("python", "-m"): check_module,
    ("tensorboard",): check_tensorboard,
    ("bash",): check_file,
    ("pip", "install"): check_install,
    ("ruff",): check_tool,
    ("mypy",): check_tool,
    ("lint-imports",): check_tool,
}
