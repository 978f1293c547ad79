"""The projector's tables, compared with sums and loops written by hand."""

import numpy as np
import pytest
import torch

from embedlab import positions
from embedlab.positions.base import Scheme
from embedlab.positions.site import Site, square
from embedlab.tensorboard import snapshot_tables
from embedlab.tensorboard.projector_files import NEXT_POINT

WORDS = [b" the", b" cat", b"s", b"42", b"<|endoftext|>"]


class Words:
    """Return a tokenizer of five tokens."""

    def token_bytes(self, token: int) -> bytes:
        return WORDS[token]

    def is_special(self, token: int) -> bool:
        return token == 4


def scheme(name: str, **settings: object) -> Scheme:
    return positions.build(name, embedding_dim=8, n_heads=2, n_layers=2, context_length=6, **settings)


def test_token_table_rows_match_their_labels() -> None:
    weight = torch.eye(5)
    weight[1] += 0.5 * weight[3]  # " cat" and "42" are neighbours
    ids = np.array([1, 3, 4])
    table = snapshot_tables.token_table(weight, Words(), np.array([0, 99, 0, 9, 0]), ids, neighbours_of=2)
    assert (table.vectors == weight[ids].numpy()).all()
    assert next(iter(table.columns)) == "token"
    columns = {name: list(column) for name, column in table.columns.items()}
    assert columns == {
        "token": ["␣cat", "'42'", "<|endoftext|>"],
        "kind": ["word start", "number", "special"],
        "log10 count": [2.0, 1.0, 0.0],
        "rank": [1, 2, 3],
        "bytes": [4, 2, 13],
        "id": [1, 3, 4],
        "neighbours": ["'42' <|endoftext|>", "␣cat <|endoftext|>", ""],
    }


@pytest.mark.parametrize("name", ["learned", "sinusoidal"])
def test_positions_in_a_line(name: str) -> None:
    made = scheme(name)
    table = snapshot_tables.position_table(made)
    assert table is not None
    x = torch.randn(1, 6, 8)
    added = made.embed(x, square(torch.arange(6))) - x
    torch.testing.assert_close(torch.from_numpy(table.vectors), added[0].detach())
    assert list(table.columns[NEXT_POINT]) == [1, 2, 3, 4, 5, ""]
    assert table.columns["row"][5] == "position 5"
    assert snapshot_tables.relative_table(made) is None  # it would show the same points a second time


def test_sums() -> None:
    made, weight = scheme("learned"), torch.randn(5, 8)
    table = snapshot_tables.sum_table(made, weight, Words(), [1, 0], places=3)
    assert table is not None
    assert table.columns["row"] == ["␣cat@0", "␣cat@2", "␣cat@5", "␣the@0", "␣the@2", "␣the@5"]
    assert list(table.columns[NEXT_POINT]) == [1, 2, "", 4, 5, ""]
    expected = torch.stack([weight[token] + made.table()[place] for token in (1, 0) for place in (0, 2, 5)])
    torch.testing.assert_close(torch.from_numpy(table.vectors), expected.detach())


def test_relative_rows() -> None:
    made = scheme("shaw", clip=2)
    table = snapshot_tables.relative_table(made)
    assert table is not None
    assert table.columns["row"] == [f"distance {i}" for i in (-2, -1, 0, 1, 2)]
    assert (table.vectors == made.table().detach().numpy()).all()
    assert snapshot_tables.position_table(made) is None
    assert snapshot_tables.sum_table(made, torch.randn(5, 8), Words(), [1], places=3) is None


def test_nope_has_nothing_to_show() -> None:
    made = scheme("none")
    assert [
        snapshot_tables.position_table(made),
        snapshot_tables.relative_table(made),
        snapshot_tables.bias_table(made),
    ] == [None] * 3


class Biased(Scheme):
    """Bias -(head + 1) · distance in the second layer only."""

    def hooks(self, layer: int = 0) -> frozenset[str]:
        return frozenset({"bias"} if layer else ())

    def bias(self, site: Site) -> torch.Tensor:
        return -torch.arange(1.0, 3)[:, None, None] * site.distances


def test_bias_by_distance_of_the_layers_that_have_one() -> None:
    plain = scheme("none")
    table = snapshot_tables.bias_table(Biased(plain.config, plain.shape))
    assert table is not None
    assert table.vectors.tolist() == [[-distance, -2 * distance] for distance in range(6)]
