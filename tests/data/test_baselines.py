"""Counting baselines, compared with slow dictionaries."""

import collections
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedlab.data import baselines
from embedlab.data.baselines import bigram, unigram, unigram_entropy
from embedlab.data.windows import SlidingWindows

IDS = st.lists(st.integers(0, 9), min_size=6, max_size=80)


def slow_unigram(train, pairs, vocab_size):
    counts = collections.Counter(train)
    losses = [-math.log((counts[w] + 1) / (len(train) + vocab_size)) for _, w in pairs]
    return sum(losses) / len(losses)


def slow_bigram(train, pairs, vocab_size):
    counts = collections.Counter(itertools.pairwise(train))
    losses = []
    for v, w in pairs:
        row = {u: counts[v, u] + 1 for u in range(vocab_size)}
        losses.append(-math.log(row[w] / sum(row.values())))
    return sum(losses) / len(losses)


@given(
    train=IDS,
    val=IDS,
    length=st.integers(1, 5),
    gap=st.integers(0, 3),
    extra=st.integers(0, 3),
    chunk=st.integers(1, 9),
)
def test_losses_equal_those_of_slow_dictionaries(train, val, length, gap, extra, chunk):
    vocab_size = 10 + extra
    windows = SlidingWindows(np.array(val, np.uint16), length, length + gap)
    pairs = [pair for x, y in windows for pair in zip(x.tolist(), y.tolist(), strict=True)]
    ids = np.array(train, np.uint16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "CHUNK", chunk)
        assert unigram(ids, windows, vocab_size) == pytest.approx(slow_unigram(train, pairs, vocab_size), rel=1e-12)
        assert bigram(ids, windows, vocab_size) == pytest.approx(slow_bigram(train, pairs, vocab_size), rel=1e-12)
        p = np.array(list(collections.Counter(train).values())) / len(train)
        assert unigram_entropy(ids) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-12)


def test_losses_computed_by_hand():
    train = np.array([0, 1, 0, 1, 2], np.uint16)
    windows = SlidingWindows(np.array([0, 1, 2], np.uint16), 2, 2)  # pairs (0, 1), (1, 2)
    assert unigram(train, windows, 3) == pytest.approx(-(math.log(3 / 8) + math.log(2 / 8)) / 2)
    assert bigram(train, windows, 3) == pytest.approx(-(math.log(3 / 5) + math.log(2 / 5)) / 2)
    assert unigram_entropy(np.array([0, 1, 2, 3])) == pytest.approx(math.log(4))


def test_large_vocabulary_does_not_overflow():
    """A pair's key, v * V + w, needs more than 32 bits."""
    ids = np.array([200_000, 200_001] * 50, np.uint32)
    windows = SlidingWindows(ids, 4, 4)  # both kinds of pairs are equally frequent
    expected = (math.log((50 + 200_002) / 51) + math.log((49 + 200_002) / 50)) / 2
    assert bigram(ids, windows, 200_002) == pytest.approx(expected)
