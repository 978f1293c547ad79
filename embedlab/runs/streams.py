"""Output that arrives whatever the terminal's encoding and whatever the text. Imports no torch."""

import io
import sys


def accept_any_text() -> None:
    r"""Let stdout and stderr show a character that their encoding lacks as \u2014, instead of raising.

    Logging would lose the whole line otherwise, and rich would end the command. Every command begins with it, and every
    process that a launcher starts for a job.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test or a notebook may have put another in its place
            stream.reconfigure(errors="backslashreplace")
