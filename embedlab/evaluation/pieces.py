"""Test loss of every document or window: how much the score depends on which text was tested.

N windows of T targets each.
"""

import numpy as np

from embedlab.data.tokenizer import Tokenizer
from embedlab.data.windows import SlidingWindows
from embedlab.runs.measured import TextPieces

MANY_DOCUMENTS = 30  # scored documents from which on the unit is the document: with fewer, their spread is unsure
MOST_PIECES = 1000  # pieces in results.json; neighbours are joined beyond, which also keeps what they have in common


def measure_pieces(nats: np.ndarray, windows: SlidingWindows, tokenizer: Tokenizer) -> TextPieces:
    """Return the mean test loss of each document, or of each window if fewer than MANY_DOCUMENTS were scored.

    nats (N, T): losses of the windows' targets. Of a document that windows cut, the scored targets count.
    """
    targets = windows.windows[:, 1:]  # (N, T)
    starts = windows.stride * np.arange(len(targets))
    positions = starts[:, None] + np.arange(1, targets.shape[1] + 1)
    document = find_documents(windows.ids, tokenizer.eot, positions.ravel())
    first = np.flatnonzero(np.diff(document, prepend=-1))  # the first target of each document, in the order of the text
    many = len(first) >= MANY_DOCUMENTS
    if not many:
        first = np.arange(len(targets)) * targets.shape[1]
    first = first[:: -(-len(first) // MOST_PIECES)]
    tokens = np.diff(first, append=nats.size)
    return {
        "unit": "document" if many else "window",
        "loss": np.round(np.add.reduceat(nats.ravel(), first) / tokens, 6).tolist(),
        "tokens": tokens.tolist(),
        "bytes": np.add.reduceat(tokenizer.byte_lengths[targets].ravel(), first, dtype=np.int64).tolist(),
    }


def find_documents(ids: np.ndarray, eot: int, positions: np.ndarray) -> np.ndarray:
    """Return each position's document, counted from 0; an end of text belongs to the document before it."""
    return np.searchsorted(np.flatnonzero(ids == eot), positions)
