"""Texts of every kind that people train on, and schemes at odd shapes. All were right when first tried."""

import codecs
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embedlab import positions
from embedlab.config.corpora import FilesConfig
from embedlab.config.groups import TokenizerConfig
from embedlab.data.corpus import open_corpus
from embedlab.data.pieces import safe_pieces
from embedlab.data.tokenizer import Tokenizer, load_tokenizer
from embedlab.data.tokens import prepare
from embedlab.model.attention import attend
from embedlab.positions.site import square

PATHOLOGICAL = {
    "one letter": "a" * 200_000,
    "blanks": " " * 200_000,
    "newlines": "\n" * 100_000,
    "returns": "\r\n" * 50_000,
    "one word": "supercalifragilistic" * 10_000,
    "no blank": "位置编码" * 20_000,
    "emoji": "👩‍👩‍👧‍👦" * 5_000,
    "combining": "e" + "\u0301" * 50_000,
    "end-of-text marks": "<|endoftext|>" * 5_000,
    "digits": "0123456789" * 10_000,
    "quotes": "'s't're've'm'll'd" * 5_000,
    "controls": "".join(map(chr, range(1, 32))) * 2_000,
    "right to left": "\u202eשלום " * 10_000,
    "byte order marks": "\ufeff" * 20_000,
    "blank and mark": " \u0301" * 20_000,
}


@pytest.fixture(scope="module", params=[("gpt2", None), ("gpt2", 300), ("bytes", None)], ids=["gpt2", "300", "bytes"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return load_tokenizer(TokenizerConfig(*request.param), tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_a_pathological_text_comes_back(tokenizer: Tokenizer, name: str) -> None:
    text = PATHOLOGICAL[name]
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.byte_lengths[ids].sum() == len(text.encode())
    assert tokenizer.eot not in ids


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pieces_of_a_pathological_text_are_the_text(name: str) -> None:
    text = PATHOLOGICAL[name]
    assert "".join(safe_pieces(iter([text[:7], text[7:]]))) == text


def texts_of(path: Path) -> list[str]:
    corpus = open_corpus(FilesConfig("files", 0.1, 0.1, str(path), "text"), Path("unused"))
    return ["".join(document.chunks()) for document in corpus.documents()]


CHARACTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.binary(max_size=30).map(lambda b: b.hex()), min_size=1, max_size=5))
@settings(max_examples=50)
def test_gz_files_of_several_members(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """`cat a.gz b.gz` and parallel compressors write several members, some of them empty."""
    path = tmp_path_factory.mktemp("gz") / "a.txt.gz"
    path.write_bytes(b"".join(gzip.compress(part.encode()) for part in parts))
    assert "".join(texts_of(path)) == "".join(parts)


def test_a_gz_member_cut_inside_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    packed = "é\r\nö".encode()
    path.write_bytes(b"".join(gzip.compress(packed[i : i + 1]) for i in range(len(packed))))
    assert texts_of(path) == ["é\nö"]


@given(CHARACTERS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_newlines_and_marks_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, text: str, newline: str, marked: bool, packed: bool
) -> None:
    """A text is the same with the newlines of any system, with or without a byte order mark, plain or compressed."""
    plain = io.StringIO(text, newline=None).read().removeprefix("\ufeff")  # every newline as \n
    data = (codecs.BOM_UTF8 if marked else b"") + plain.replace("\n", newline).encode()
    path = tmp_path_factory.mktemp("text") / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert "".join(texts_of(path)) == (plain if marked else plain.removeprefix("\ufeff"))


@pytest.mark.parametrize("name", ["one letter", "newlines", "one word", "no blank", "combining", "end-of-text marks"])
def test_a_pathological_corpus_is_divided_without_loss(tokenizer: Tokenizer, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(PATHOLOGICAL[name], encoding="utf-8", newline="")
    tokens = prepare(FilesConfig("files", 0.1, 0.1, str(path), "text"), tokenizer, tmp_path / "cache")
    parts = [
        b"".join(map(tokenizer.token_bytes, np.asarray(part).tolist()))
        for part in (tokens.train, tokens.val, tokens.test)
    ]
    assert b"".join(parts).decode() == PATHOLOGICAL[name]


SHAPES = [  # embedding_dim, n_heads, context_length, tokens given
    (2, 1, 1, 1),
    (4, 2, 2, 1),
    (6, 1, 3, 3),
    (12, 2, 5, 4),
    (30, 3, 7, 7),
    (24, 4, 17, 13),
    (64, 8, 33, 2),
]


@pytest.mark.parametrize(("D", "H", "L", "T"), SHAPES)
@pytest.mark.parametrize("name", positions.names())
def test_schemes_at_odd_shapes(name: str, D: int, H: int, L: int, T: int) -> None:
    """Outputs are finite, causal, of the right shape and have gradients, for one head, one token, odd lengths."""
    torch.manual_seed(0)
    scheme = positions.build(name, embedding_dim=D, n_heads=H, n_layers=1, context_length=L)
    x = torch.randn(2, T, D, requires_grad=True)
    out = mixed(scheme, x, H)
    assert out.shape == (2, H, T, D // H)
    assert out.isfinite().all()
    out.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    if T > 1:
        changed = torch.cat([x[:, :-1], x[:, -1:] + 1], dim=1)
        assert torch.allclose(mixed(scheme, changed, H)[:, :, :-1], out[:, :, :-1], atol=1e-5)


def mixed(scheme: Any, x: Tensor, H: int) -> Tensor:
    """Embed and attend; return (B, H, T, K)."""
    B, T, D = x.shape
    h = scheme.embed(x, square(torch.arange(T)))
    q = k = v = h.view(B, T, H, D // H).transpose(1, 2)
    return attend(scheme.eval(), q, k, v, x=h)
