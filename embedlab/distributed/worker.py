"""`python -m embedlab.distributed.worker FOLDER`: one process of a job on several devices, started by launcher.py."""

import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path

from embedlab.config.errors import OwnCodeError, UserError
from embedlab.distributed.rank_errors import Record, write_record
from embedlab.runs.error_place import user_place
from embedlab.runs.escaping import LogFormatter
from embedlab.runs.full_disk import report_full_disk
from embedlab.runs.read_config import read_config
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.streams import accept_any_text
from embedlab.training.whole_config import check_config


def main(folder: Path) -> None:
    """Train the job in `folder` as the rank that the environment names."""
    threading.Thread(target=exit_with_parent, daemon=True).start()
    first = os.environ["LOCAL_RANK"] == "0"
    accept_any_text()
    log_file = logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
    handlers: list[logging.Handler] = [logging.StreamHandler(), log_file]
    for handler in handlers:
        handler.setFormatter(LogFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, handlers=handlers)
    with handle_signals(exit_at_once):
        try:
            from embedlab.evaluation import measure
            from embedlab.training.run import train

            store = serve_store() if first else None  # keeps the store alive until training is done
            with report_full_disk(folder):
                train(check_config(read_config(folder)), measure)
            del store
        except Exception as error:
            line, trace = str(error), ""
            if not isinstance(error, UserError) or isinstance(error, OwnCodeError):
                trace = "".join(traceback.format_exception(error))
            if not isinstance(error, UserError):
                line = f"{type(error).__name__}: {error}{user_place(error)}"
            write_record(Record(time.time(), line, trace))
            os._exit(1)  # other ranks may wait in a collective, where an orderly exit would hang


def serve_store() -> object:
    """Serve the store in which ranks find each other, on the socket that the launcher has bound for it.

    This way no other process can take the port between its choice and its use. libuv's server accepts no socket.
    """
    from torch import distributed

    return distributed.TCPStore(  # type: ignore[attr-defined]  # public by its documentation, not by its `__all__`
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=True,
        wait_for_workers=False,
        master_listen_fd=int(os.environ["EMBEDLAB_STORE_SOCKET"]),
        use_libuv=False,
    )


def exit_with_parent() -> None:
    """Exit when the launcher's process has ended in any way, which closes the pipe on stdin."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
