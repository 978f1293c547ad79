"""What a model must beat: losses of counting, in nats per token, on exactly the targets that the model is scored on.

Add-one (Laplace) smoothing, V the vocabulary's size, c counts in the training text of N tokens:
unigram p(w) = (c(w) + 1) / (N + V); bigram p(w | v) = (c(v, w) + 1) / (c(v) + V), c(v) the pairs that start with v.
The training text is read in chunks; memory is of the order of the vocabulary and the scored windows.
"""

from collections.abc import Iterator

import numpy as np

from embedlab.data.token_counts import count_tokens
from embedlab.data.windows import SlidingWindows
from embedlab.runs.results import Baselines

CHUNK = 1 << 20  # tokens


def baselines(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> Baselines:
    """`unigram` and `bigram` losses of the windows' targets, and `unigram_entropy` of the training text."""
    return {
        "unigram": unigram(train, windows, vocab_size),
        "bigram": bigram(train, windows, vocab_size),
        "unigram_entropy": unigram_entropy(train),
    }


def unigram(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> float:
    """Cross-entropy of the targets under the training text's word frequencies, whatever stands before."""
    counts = count_tokens(train, vocab_size)
    _, targets = _pairs(windows)
    return float(-np.log((counts[targets] + 1) / (len(train) + vocab_size)).mean())


def bigram(train: np.ndarray, windows: SlidingWindows, vocab_size: int) -> float:
    """Cross-entropy of the targets, each given the one input token before it."""
    inputs, targets = _pairs(windows)
    wanted, back = np.unique(inputs * vocab_size + targets, return_inverse=True)  # only the pairs that are scored
    pairs = np.zeros(len(wanted), dtype=np.int64)
    for chunk in _chunks(train, overlap=1):
        keys = chunk[:-1] * vocab_size + chunk[1:]
        places = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        pairs += np.bincount(places[wanted[places] == keys], minlength=len(wanted))
    firsts = count_tokens(train[:-1], vocab_size)
    return float(-np.log((pairs[back] + 1) / (firsts[inputs] + vocab_size)).mean())


def unigram_entropy(ids: np.ndarray) -> float:
    """Entropy of the text's own word frequencies: the least that any unigram model can reach on it."""
    counts = count_tokens(ids)
    p = counts[counts > 0] / len(ids)
    return float(-(p * np.log(p)).sum())


def _chunks(ids: np.ndarray, overlap: int) -> Iterator[np.ndarray]:
    """int64 stretches of the text; each starts with the last `overlap` tokens of the one before."""
    for start in range(0, len(ids) - overlap, CHUNK):
        yield ids[start : start + CHUNK + overlap].astype(np.int64)


def _pairs(windows: SlidingWindows) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, targets) of all windows, flat, int64."""
    inputs, targets = windows.__getitems__(range(len(windows)))
    return inputs.numpy().ravel(), targets.numpy().ravel()
