"""Tokenize pieces of text on all cores, in order: the same ids as one after another.

tiktoken releases the GIL while it encodes, so threads are enough. Short pieces, as lines of a .jsonl file, are grouped:
to pass one to a thread would cost more than its ids.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from embedlab.data.tokenizer import Tokenizer
from embedlab.runs.machine import available_cores

GROUP = 1 << 18  # characters that one call of a thread encodes at least
AHEAD = 2  # groups read ahead for each thread; with pieces of 1 MB at most 10 MB for each


class Piece(NamedTuple):
    """A part of a document that can be tokenized by itself."""

    document: int  # counted from 0
    split: str
    text: str


class Encoded(NamedTuple):
    """The ids of a piece."""

    document: int
    split: str
    ids: np.ndarray
    size: int  # bytes of text


def encode_in_order(pieces: Iterable[Piece], tokenizer: Tokenizer) -> Iterator[Encoded]:
    """Yield the ids of all pieces, in the given order, reading only a few pieces ahead."""

    def encode(group: list[Piece]) -> list[Encoded]:
        return [Encoded(p.document, p.split, tokenizer.encode(p.text), len(p.text.encode())) for p in group]

    threads = available_cores()
    waiting: deque[Future[list[Encoded]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for group in _groups(pieces):
                waiting.append(pool.submit(encode, group))
                if len(waiting) > AHEAD * threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or a signal, the rest is not needed


def _groups(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Yield consecutive pieces together until they have GROUP characters."""
    group: list[Piece] = []
    size = 0
    for piece in pieces:
        group.append(piece)
        size += len(piece.text)
        if size >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
