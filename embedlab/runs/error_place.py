"""Where an exception arose in code of the user's own: a callback, a logger, a module. Imports no torch."""

import sys
import traceback
from pathlib import Path

from embedlab.runs.file_hashes import is_installed


def user_place(error: BaseException) -> str:
    """Return ` (FILE, line N)`, the innermost line outside embedlab and installed packages; "" if there is none."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not is_installed(path) and frame.filename != script and path.name != "train.py":
            return f" ({path}, line {frame.lineno})"
    return ""
