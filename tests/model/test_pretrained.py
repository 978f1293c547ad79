"""Token tables from elsewhere: each row on its own token, or one line that says why not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.groups import TokenizerConfig
from embedlab.data.token_labels import token_label
from embedlab.data.tokenizer import Tokenizer, load_tokenizer
from embedlab.export import FORMATS, write_new
from embedlab.model.pretrained import load_table

WIDTH = 4


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    return load_tokenizer(TokenizerConfig(name="bytes", vocab_size=None), tmp_path)


@pytest.fixture
def labels(tokenizer: Tokenizer) -> list[str]:
    return [token_label(tokenizer, token) for token in range(tokenizer.vocab_size)]


@pytest.fixture
def table(labels: list[str]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(labels), WIDTH)).astype(np.float32)


def word2vec(path: Path, head: str, labels: list[str]) -> str:
    rows = (f"{label} {' '.join(['0.5'] * WIDTH)}" for label in labels)
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("form", ["word2vec", "safetensors", "npy"])
def test_what_export_writes_comes_back(
    tokenizer: Tokenizer, labels: list[str], table: np.ndarray, tmp_path: Path, form: str
) -> None:
    ending, files_of = FORMATS[form]
    write_new(files_of(tmp_path / f"table{ending}", table, labels))
    assert torch.equal(load_table(str(tmp_path / f"table{ending}"), tokenizer, WIDTH), torch.from_numpy(table))


def test_repeated_rows_are_refused(tokenizer: Tokenizer, labels: list[str], tmp_path: Path) -> None:
    """The later one overwrote the earlier one without a word."""
    path = word2vec(tmp_path / "t.txt", f"{len(labels) + 1} {WIDTH}", [*labels, labels[7]])
    with pytest.raises(UserError, match=rf"appears on lines 9 and {len(labels) + 2}: keep one vector") as caught:
        load_table(path, tokenizer, WIDTH)
    assert repr(labels[7]) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", [-1, 1, 1000])
def test_miscounted_rows_are_refused(tokenizer: Tokenizer, labels: list[str], tmp_path: Path, more: int) -> None:
    path = word2vec(tmp_path / "t.txt", f"{len(labels) + more} {WIDTH}", labels)
    with pytest.raises(UserError, match=rf"the first line says {len(labels) + more} rows, but {len(labels)} follow"):
        load_table(path, tokenizer, WIDTH)


@pytest.mark.parametrize("form", ["safetensors", "npy"])
def test_rows_of_another_vocabulary_are_refused(
    tokenizer: Tokenizer, labels: list[str], table: np.ndarray, tmp_path: Path, form: str
) -> None:
    """The shape fits, yet every vector would stand on another token."""
    ending, files_of = FORMATS[form]
    write_new(files_of(tmp_path / f"table{ending}", table, labels[::-1]))
    with pytest.raises(UserError, match=r"its row 0 is .* by its labels, but .* in tokenizer=bytes"):
        load_table(str(tmp_path / f"table{ending}"), tokenizer, WIDTH)


def test_tables_without_labels_are_taken_by_row(tokenizer: Tokenizer, table: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", table)
    assert torch.equal(load_table(str(tmp_path / "table.npy"), tokenizer, WIDTH), torch.from_numpy(table))
