"""Baselines that a model must beat: losses of counting models, in nats per token, on the model's own scored targets.

Add-one (Laplace) smoothing; V: size of the vocabulary, c: counts in the training text of N tokens.
unigram p(w) = (c(w) + 1) / (N + V); bigram p(w | v) = (c(v, w) + 1) / (c(v) + V), c(v): pairs that start with v.
The training text is read in chunks; memory grows with the vocabulary and the scored windows only.
"""

from collections.abc import Iterator

import numpy as np

from embedlab.data.token_counts import count_tokens
from embedlab.data.windows import SlidingWindows
from embedlab.runs.measured import Baselines

CHUNK = 1 << 20  # tokens


def baselines(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> Baselines:
    """Return `unigram` and `bigram` losses of the windows' targets, and `unigram_entropy` of the training text."""
    return {
        "unigram": unigram(train, windows, vocab_size),
        "bigram": bigram(train, windows, vocab_size),
        "unigram_entropy": unigram_entropy(train),
    }


def unigram(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> float:
    """Return the cross-entropy of the targets under the training text's token frequencies, without context."""
    counts = count_tokens(train, vocab_size)
    _, targets = _pairs(windows)
    return float(-np.log((counts[targets] + 1) / (len(train) + vocab_size)).mean())


def bigram(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> float:
    """Return the cross-entropy of the targets, each given only the input token before it."""
    inputs, targets = _pairs(windows)
    scored, inverse = np.unique(inputs * vocab_size + targets, return_inverse=True)  # the keys of the scored pairs
    pairs = np.zeros(len(scored), dtype=np.int64)
    for chunk in _chunks(train, overlap=1):
        keys = chunk[:-1] * vocab_size + chunk[1:]
        indices = np.minimum(np.searchsorted(scored, keys), len(scored) - 1)
        pairs += np.bincount(indices[scored[indices] == keys], minlength=len(scored))
    firsts = count_tokens(train[:-1], vocab_size)
    return float(-np.log((pairs[inverse] + 1) / (firsts[inputs] + vocab_size)).mean())


def unigram_entropy(ids: np.ndarray) -> float:
    """Return the entropy of the text's token frequencies: the lowest loss of any unigram model on it."""
    counts = count_tokens(ids)
    p = counts[counts > 0] / len(ids)
    return float(-(p * np.log(p)).sum())


def _chunks(ids: np.ndarray, overlap: int) -> Iterator[np.ndarray]:
    """Yield int64 chunks of the text; each starts with the last `overlap` tokens of the one before."""
    for start in range(0, len(ids) - overlap, CHUNK):
        yield ids[start : start + CHUNK + overlap].astype(np.int64)


def _pairs(windows: SlidingWindows) -> tuple[np.ndarray, np.ndarray]:
    """Return (inputs, targets) of all windows, each 1-D, int64."""
    inputs, targets = windows.__getitems__(range(len(windows)))
    return inputs.numpy().ravel(), targets.numpy().ravel()
