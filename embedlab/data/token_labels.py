r"""Token labels that TensorBoard's projector, word2vec files and people can read, and that give back the bytes.

A label shows a token's text with invisible characters made visible: ␣ space, ↵ newline, ⇥ tab, ␀ … ␡ other control
characters, \xNN a byte that is not UTF-8, \uNNNN any other character without a shape of its own. Backslash is
doubled, and the symbols themselves are written as \uNNNN, so that no two tokens share a label.

The projector reads its labels from a tab-separated file. It drops blank lines, cuts at tabs and newlines, and converts
text that looks like a number ("007" would become 7), so a number is put in quotes: '007'.
"""

import re
from typing import Protocol


class Vocabulary(Protocol):
    """What this module needs of a tokenizer."""

    def token_bytes(self, token: int) -> bytes: ...
    def is_special(self, token: int) -> bool: ...


VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥", "\x7f": "␡"}
VISIBLE |= {chr(code): chr(0x2400 + code) for code in range(32) if chr(code) not in VISIBLE}  # control pictures
HIDDEN = {symbol: character for character, symbol in VISIBLE.items()}

REPLACE = str.maketrans(
    VISIBLE
    | {"\\": r"\\"}
    | {symbol: f"\\u{ord(symbol):04x}" for symbol in HIDDEN}
    | {chr(0xDC00 + byte): f"\\x{byte:02x}" for byte in range(0x80, 0x100)}  # where surrogateescape puts bad bytes
)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|0x[\da-f]+|0o[0-7]+|0b[01]+|[+-]?infinity|nan", re.I | re.A)
PIECE = re.compile(r"\\\\|\\id\d+|\\x([\da-f]{2})|\\u([\da-f]{4})|\\U([\da-f]{8})|(.)", re.S)


def label(raw: bytes) -> str:
    r"""Return a token's bytes as a readable label without blanks; no two tokens share one.

    >>> [label(raw) for raw in (b" the", b"\n\n", b"\xe4\xb8", "你".encode(), b"007", rb"\n")]
    ['␣the', '↵↵', '\\xe4\\xb8', '你', "'007'", '\\\\n']
    """
    text = raw.decode("utf-8", errors="surrogateescape").translate(REPLACE)
    if not text.isprintable():
        text = "".join(character if character.isprintable() else _code(character) for character in text)
    if NUMBER.fullmatch(text):
        return f"'{text}'"
    if _unquoted(text) is not None:
        return r"\x27" + text[1:]
    return text


def token_label(tokenizer: Vocabulary, token: int) -> str:
    r"""Return the label of a token id; `\id100256` for an id that the encoding does not use."""
    return label(tokenizer.token_bytes(token)) or rf"\id{token}"


def token_kind(tokenizer: Vocabulary, token: int) -> str:
    """Return the kind of a token id, as `kind` does, or `special`."""
    return "special" if tokenizer.is_special(token) else kind(tokenizer.token_bytes(token))


def raw(label: str) -> bytes:
    r"""Return the bytes of a label's token.

    >>> [raw(text) for text in ("␣the", r"\xe4\xb8", "'007'", r"\\n")]
    [b' the', b'\xe4\xb8', b'007', b'\\n']
    """
    inside = _unquoted(label)
    return b"".join(map(_piece, PIECE.finditer(label if inside is None else inside)))


def _code(character: str) -> str:
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"


def _unquoted(text: str) -> str | None:
    """Return the number between the quotes; None for other text."""
    inside = text[1:-1]
    return inside if len(text) > 2 and text[0] == text[-1] == "'" and NUMBER.fullmatch(inside) else None


def _piece(match: re.Match[str]) -> bytes:
    byte, short, long, plain = match.groups()
    if byte:
        return bytes.fromhex(byte)
    if short or long:
        return chr(int(short or long, 16)).encode()
    if plain:
        return HIDDEN.get(plain, plain).encode()
    return b"" if match[0].startswith(r"\id") else b"\\"


def kind(raw: bytes) -> str:
    r"""Classify text: word start, inside (of a word), number, punctuation, whitespace, or bytes that are not text.

    >>> [kind(raw) for raw in (b" the", b"ing", b" 1984", b"...", b"\n", b"\xe4")]
    ['word start', 'inside', 'number', 'punctuation', 'whitespace', 'bytes']
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "bytes"
    word = text.strip()
    if not word:
        return "whitespace"
    if word.isnumeric():
        return "number"
    if not any(c.isalnum() for c in word):
        return "punctuation"
    return "word start" if text[0] == " " else "inside"
