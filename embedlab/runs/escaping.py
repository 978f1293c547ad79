r"""Text that others wrote, made safe for each medium that shows it. Imports no torch.

A name, a caution, a command or a version comes out of a results.json, an override or a file name, and may hold
anything. What is safe depends on where it is shown:

| medium | what would act | here |
|---|---|---|
| terminal, log | control characters, escape sequences, bidirectional marks | `one_line`, `LogFormatter` |
| Markdown (comparison.md) | HTML, pipes, links, emphasis, mentions | `markdown` |
| Markdown in TensorBoard, which filters HTML by itself | all punctuation | `entities` |
| spreadsheet (comparison.csv) | a cell that begins with = + - @ | `csv_cell` |
| projector's labels (.tsv) | tabs, newlines | `tsv_cell` |

report.html has `html.escape`.
"""

import logging
import re
import unicodedata
from typing import Any

NEWLINES_AND_TABS = frozenset("\n\t")
ACTS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, ends of lines and paragraphs
JOINERS = frozenset("\u200c\u200d")  # stand inside words of Hindi or Persian and inside emoji
# What begins a formula in a spreadsheet, the full-width signs included; tab and carriage return are skipped there.
FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I | re.A)
# GitHub turns these into HTML, links, mentions, formulas; :// and www. alone make a link.
MARKDOWN = re.compile(r"[\\|`*_<>\[\]&~$@#!]|:(?=//)|(?<=www)\.", re.I)


def one_line(text: str, most: int | None = None) -> str:
    r"""Return printable text on one line: a control character or lone surrogate becomes �, long text is cut.

    >>> one_line("a\x1b[31m\nb\u202e")
    'a�[31m b�'
    """
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    if text.isprintable():
        return text
    return "".join(" " if c in NEWLINES_AND_TABS else _printable(c) for c in text)


def _printable(character: str) -> str:
    harmless = character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"
    return character if harmless else "�"


def visible(text: str) -> str:
    r"""Return text on one line, what would end the line or act on a page made visible: ↵ for a newline, ␛, \u2028.

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
    r"""Return text that Markdown shows as it is, in a table's cell too.

    >>> markdown("<b>a|b</b> https://a.b")
    '\\<b\\>a\\|b\\</b\\> https\\://a.b'
    """
    return MARKDOWN.sub(lambda sign: "\\" + sign[0], one_line(text))


def entities(text: str) -> str:
    """Return text that no Markdown acts on: all ASCII signs as numeric entities, control characters made visible.

    >>> entities("a|b`c")
    'a&#124;b&#96;c'
    """
    return re.sub(r"[!-/:-@\\[-`{-~]", lambda sign: f"&#{ord(sign[0])};", visible(text))


def csv_cell(value: Any) -> Any:
    """Return the value with an apostrophe before a text that a spreadsheet would run as a formula.

    Numbers stay, those in a text too: '-0.5' is no formula.

    >>> [csv_cell(value) for value in (-0.5, "-0.5", "=1+1", "-x", "")]
    [-0.5, '-0.5', "'=1+1", "'-x", '']
    """
    if isinstance(value, str) and value[:1] in FORMULA and not NUMBER.fullmatch(value):
        return "'" + value
    return value


def tsv_cell(value: Any) -> str:
    """Return the value as a cell that ends neither its column nor its line.

    >>> tsv_cell("a\\tb")
    'a␉b'
    """
    return visible(str(value))


class LogFormatter(logging.Formatter):
    """Plain lines, in which nothing but newlines and tabs acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return lines(super().format(record))


def lines(text: str) -> str:
    r"""Return printable text of several lines.

    >>> lines("a\n\tb\x07")
    'a\n\tb�'
    """
    return "".join(c if c in NEWLINES_AND_TABS else _printable(c) for c in text)
