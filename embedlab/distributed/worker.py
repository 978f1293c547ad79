"""`python -m embedlab.distributed.worker FOLDER`: one process of a job on several devices, started by launcher.py."""

import logging
import os
import sys
import threading
import time
from pathlib import Path

from embedlab.positions.check import check_config
from embedlab.runs.escaping import LogFormatter
from embedlab.runs.folder import write_error
from embedlab.runs.full_disk import report_full_disk
from embedlab.runs.read_config import read_config
from embedlab.runs.signals import at_once, handled_by
from embedlab.runs.streams import accept_any_text


def main(folder: Path) -> None:
    threading.Thread(target=exit_with_parent, daemon=True).start()
    first = os.environ["LOCAL_RANK"] == "0"
    accept_any_text()
    log_file = logging.FileHandler(folder / "train.log", encoding="utf-8", errors="backslashreplace")
    handlers: list[logging.Handler] = [logging.StreamHandler(), log_file]
    for handler in handlers:
        handler.setFormatter(LogFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, handlers=handlers)
    with handled_by(at_once):
        try:
            from embedlab.evaluation import measure
            from embedlab.training.run import train

            with report_full_disk(folder):
                train(check_config(read_config(folder)), measure)
        except Exception as error:
            if "Connection" in str(error):  # most likely another one has failed: let that tell why, and us be ended
                time.sleep(5)
            logging.getLogger("embedlab").error("error: %s", write_error(folder, error))
            os._exit(1)  # the others may wait in a collective: no orderly end is possible


def exit_with_parent() -> None:
    """The pipe closes when the process at its other end is gone, however it went."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
