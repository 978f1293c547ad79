"""Ctrl-C before or after a training, and in a command that only reads runs: exit status 130, and no traceback."""

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from embedlab import check, cli, evaluate, export
from embedlab.compare import __main__ as compare


def interrupted(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


@pytest.mark.parametrize(
    ("module", "work"),
    [(evaluate, "run"), (export, "export"), (compare, "_compare"), (check, "check")],
    ids=lambda value: str(value)[:30],
)
def test_ctrl_c_ends_with_status_130(module: object, work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, work, interrupted)
    main: Callable[[list[str]], object] = vars(module)["main"]
    with pytest.raises(SystemExit) as stopped:
        main(["."])
    assert stopped.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("work", ["check_flags", "quote_values"])
def test_ctrl_c_before_a_training_ends_with_status_130(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HYDRA_FULL_ERROR", cli.TRACEBACK):  # `main` sets them: undone for the commands of later tests
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.setattr(cli, work, interrupted)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
