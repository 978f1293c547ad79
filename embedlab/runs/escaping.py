r"""Make text from outside safe for each medium that shows it. Imports no torch.

A name, a caution, a command or a version comes from a results.json, an override or a file name, and may hold any
character. What is safe depends on where it is shown:

| medium | what would take effect | function |
|---|---|---|
| terminal, log | control characters, escape sequences, bidirectional marks | `printable`, `one_line`, `LogFormatter` |
| Markdown (comparison.md) | HTML, pipes, links, emphasis, mentions | `markdown` |
| Markdown in TensorBoard, which filters HTML by itself | all punctuation | `entities` |
| spreadsheet (comparison.csv) | a cell that begins with = + - @ | `csv_cell` |
| projector's labels (.tsv) | tabs, newlines | `tsv_cell` |

report.html uses `html.escape`.
"""

import logging
import re
import unicodedata
from contextlib import suppress
from typing import Any

NEWLINES_AND_TABS = frozenset("\n\t")
ACTS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, ends of lines and paragraphs
JOINERS = frozenset("\u200c\u200d")  # used inside words of Hindi or Persian and inside emoji
# The first character of a formula in a spreadsheet, full-width signs included; tab and carriage return are skipped.
FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I | re.A)
# GitHub turns these into HTML, links, mentions, formulas; :// and www. alone make a link.
MARKDOWN = re.compile(r"[\\|`*_<>\[\]&~$@#!]|:(?=//)|(?<=www)\.", re.I)


def printable(text: str) -> str:
    r"""Return text without effect on a terminal: control characters and lone surrogates become �.

    Newlines and tabs stay. Bytes that Python could not decode (file names in the locale C) are read as UTF-8,
    which they most likely are.

    >>> printable("a\x1b[31m\n\u202e caf\udcc3\udca9")
    'a�[31m\n� café'
    """
    if text.isprintable():
        return text
    with suppress(UnicodeEncodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if _is_harmless(c) else "�" for c in text)


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in NEWLINES_AND_TABS
        or character in JOINERS
        or unicodedata.category(character) == "Zs"
    )


def one_line(text: str, most: int | None = None) -> str:
    r"""Return printable text without newlines and tabs, cut after `most` characters.

    >>> one_line("a\nb"), one_line("abc", 2)
    ('a b', 'ab…')
    """
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    return printable(text).translate({ord("\n"): " ", ord("\t"): " "})


def visible(text: str) -> str:
    r"""Return text on one line with line ends and control characters as visible signs: ↵ for a newline, ␛, \u2028.

    >>> visible("a\n\x1b\u2028")
    'a↵␛\\u2028'
    """
    return text if text.isprintable() else "".join(_shape(c) if unicodedata.category(c) in ACTS else c for c in text)


def _shape(character: str) -> str:
    code = ord(character)
    if character == "\n":
        return "↵"
    if code < 32:
        return chr(0x2400 + code)  # the control pictures
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def markdown(text: str) -> str:
    r"""Return text that Markdown shows unchanged, also in a table cell.

    >>> markdown("<b>a|b</b> https://a.b")
    '\\<b\\>a\\|b\\</b\\> https\\://a.b'
    """
    return MARKDOWN.sub(lambda sign: "\\" + sign[0], one_line(text))


def entities(text: str) -> str:
    """Return text without effect in any Markdown: ASCII signs as numeric entities, control characters as visible signs.

    >>> entities("a|b`c")
    'a&#124;b&#96;c'
    """
    return re.sub(r"[!-/:-@\\[-`{-~]", lambda sign: f"&#{ord(sign[0])};", visible(text))


def csv_cell(value: Any) -> Any:
    """Return the value, with an apostrophe before a text that a spreadsheet would run as a formula.

    Numbers stay unchanged, also as text: '-0.5' is not a formula.

    >>> [csv_cell(value) for value in (-0.5, "-0.5", "=1+1", "-x", "")]
    [-0.5, '-0.5', "'=1+1", "'-x", '']
    """
    if isinstance(value, str) and value[:1] in FORMULA and not NUMBER.fullmatch(value):
        return "'" + value
    return value


def tsv_cell(value: Any) -> str:
    r"""Return the value as the text of one cell, without tabs and newlines.

    >>> tsv_cell("a\tb")
    'a␉b'
    """
    return visible(str(value))


class LogFormatter(logging.Formatter):
    """Log formatter whose lines have no effect on a terminal but newlines and tabs."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
