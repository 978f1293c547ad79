"""Counts of tokens, and ids ordered by them."""

import numpy as np

from embedlab.data.token_counts import count_tokens, most_frequent_first


def test_counts_and_their_order() -> None:
    counts = count_tokens(np.array([3, 1, 1, 0, 1, 3], dtype=np.uint16), 5)
    assert counts.tolist() == [1, 3, 0, 2, 0]
    assert most_frequent_first(counts, unseen=False).tolist() == [1, 3, 0]
    assert most_frequent_first(counts, unseen=True).tolist() == [1, 3, 0, 2, 4]


def test_ids_beyond_the_vocabulary_are_counted_too() -> None:
    assert count_tokens(np.array([3, 1, 1], dtype=np.uint8)).tolist() == [0, 2, 0, 1]
    assert count_tokens(np.empty(0, dtype=np.uint8), 2).tolist() == [0, 0]
