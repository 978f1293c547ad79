"""Ctrl-C, SIGTERM and USR2 (a Slurm job's time is nearly up) as orderly ends, exit status 130, 143 and 140."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from embedlab.config.errors import UserError

# By submitit's wish two minutes before; `sbatch --signal=USR2@120` gives the same. Windows has no such signal.
TIME_IS_UP = getattr(signal, "SIGUSR2", signal.SIGTERM)
SIGNALS = {signal.SIGINT, signal.SIGTERM, TIME_IS_UP}
STATUSES = {128 + number for number in SIGNALS}


@contextmanager
def handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """All signals go to `handler`; afterwards to whoever had them before. Threads get no signals: nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(SIGNALS, before, strict=True):
            signal.signal(number, old)


def at_once(number: int, frame: Any) -> None:
    """The handler for the times when nothing would be lost."""
    raise SystemExit(128 + number)


@contextmanager
def requeue_on_timeout() -> Iterator[None]:
    """A job whose time was up goes back into Slurm's queue, now that it has saved and stopped.

    By submitit's own handler, which at once would lose all since the last checkpoint: Slurm then ends the process.
    """
    handler = signal.getsignal(TIME_IS_UP)
    try:
        yield
    except SystemExit as stop:
        if stop.code != 128 + TIME_IS_UP or not callable(handler):
            raise
        try:
            handler(TIME_IS_UP, None)  # ends by SystemExit
        except Exception as error:
            raise UserError(
                f"its time was up ({error}): the same command goes on, hydra.launcher.timeout_min=MINUTES gives it more"
            ) from error
        raise
