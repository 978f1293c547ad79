"""Tokenizing on several threads: the same ids, in order, a few pieces at a time."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedlab.config.errors import UserError
from embedlab.data import encode_parallel
from embedlab.data.encode_parallel import Piece, encode_in_order
from embedlab.data.tokenizer import ByteTokenizer, Tokenizer

CORES = 3


@pytest.fixture(autouse=True)
def _three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_parallel, "available_cores", lambda: CORES)


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=20)), max_size=40), st.integers(1, 30))
def test_ids_are_those_of_one_piece_after_another(gpt2_small: Tokenizer, parts: list, group: int) -> None:
    pieces = [Piece(number, "train", text) for number, text in parts if text.isprintable()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_parallel, "GROUP", group)
        found = list(encode_in_order(iter(pieces), gpt2_small))
    assert [(one.document, one.split, one.size) for one in found] == [
        (piece.document, piece.split, len(piece.text.encode())) for piece in pieces
    ]
    for one, piece in zip(found, pieces, strict=True):
        assert one.ids.tolist() == gpt2_small.encode(piece.text).tolist()


class Slow(ByteTokenizer):
    """Takes longer for earlier pieces, and records the threads that it runs on."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def encode(self, text: str) -> np.ndarray:
        self.threads.add(threading.get_ident())
        time.sleep(0.02 * (text[0] == "a"))
        return super().encode(text)


def test_pieces_are_encoded_side_by_side_and_read_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_parallel, "GROUP", 1)
    read = 0

    def pieces() -> Iterator[Piece]:
        nonlocal read
        for number in range(200):
            read += 1
            yield Piece(number, "train", "ab"[number % 2])

    tokenizer = Slow()
    for done, one in enumerate(encode_in_order(pieces(), tokenizer)):
        assert one.document == done
        assert read - done <= encode_parallel.AHEAD * CORES + 1
    assert read == 200
    assert len(tokenizer.threads) == CORES


def test_an_error_in_a_thread_is_raised_and_ends_all(gpt2: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_parallel, "GROUP", 1)
    pieces = [Piece(0, "train", "fine"), Piece(1, "train", "lone \ud800"), *[Piece(2, "train", "x")] * 50]
    with pytest.raises(UserError, match="the text holds a lone surrogate"):
        list(encode_in_order(iter(pieces), gpt2))
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
