"""Turn Ctrl-C, SIGTERM and USR2 (a Slurm job's time is nearly up) into clean exits with status 130, 143 and 140."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from embedlab.config.errors import UserError

# submitit requests it two minutes before, as `sbatch --signal=USR2@120` does. Windows has no such signal.
TIME_IS_UP = getattr(signal, "SIGUSR2", signal.SIGTERM)
SIGNALS = {signal.SIGINT, signal.SIGTERM, TIME_IS_UP}
STATUSES = {128 + number for number in SIGNALS}


@contextmanager
def handle_signals(handler: Callable[[int, Any], None] | signal.Handlers) -> Iterator[None]:
    """Handle all signals by `handler`, then restore the earlier ones. Do nothing in a thread, which gets no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(SIGNALS, before, strict=True):
            signal.signal(number, old)


def exit_at_once(number: int, frame: Any) -> None:
    """Exit immediately: the handler for times when nothing can be lost."""
    raise SystemExit(128 + number)


@contextmanager
def requeue_on_timeout() -> Iterator[None]:
    """Requeue a Slurm job whose time is up, after it has saved and stopped.

    This calls submitit's own handler, after which Slurm kills the process; called at the signal, that handler would
    lose everything since the last checkpoint.
    """
    handler = signal.getsignal(TIME_IS_UP)
    try:
        yield
    except SystemExit as stop:
        if stop.code != 128 + TIME_IS_UP or not callable(handler):
            raise
        try:
            handler(TIME_IS_UP, None)  # raises SystemExit
        except Exception as error:
            raise UserError(
                f"its time was up ({error}): the same command resumes it; more: hydra.launcher.timeout_min=MINUTES"
            ) from error
        raise
