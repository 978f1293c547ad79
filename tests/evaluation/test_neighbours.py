"""Nearest neighbours, compared with sorting all cosines."""

import numpy as np

from embedlab.evaluation.neighbours import nearest


def test_equals_sorting_all_cosines() -> None:
    vectors = np.random.default_rng(0).normal(size=(700, 5)).astype(np.float32)
    rows = np.array([3, 699, 0, *range(300)])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    near = nearest(vectors, rows, 4)
    assert (near.rows == np.argsort(-cosines, axis=1)[rows, :4]).all()
    np.testing.assert_allclose(near.cosines, -np.sort(-cosines, axis=1)[rows, :4], rtol=1e-5)


def test_few_rows_and_zeros() -> None:
    vectors = np.array([[1, 0], [0, 0], [2, 0.1]], dtype=np.float32)
    assert nearest(vectors, np.arange(3), 5).rows[0].tolist() == [2, 1]
    assert nearest(vectors[:1], np.arange(1), 5).rows.shape == (1, 0)
