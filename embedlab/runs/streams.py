"""Let stdout and stderr accept any text in any encoding. Imports no torch."""

import io
import sys


def accept_any_text() -> None:
    r"""Let stdout and stderr show a character that their encoding lacks as an escape, as \u2014, instead of raising.

    Otherwise logging would lose the whole line, and rich would end the command. Every command calls this first, and so
    does every process that a launcher starts for a job.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test or a notebook may have replaced it
            stream.reconfigure(errors="backslashreplace")
