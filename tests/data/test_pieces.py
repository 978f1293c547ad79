"""Text tokenized in pieces gives the ids of the whole text, with every pattern of tiktoken."""

import itertools

import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from embedlab.data.pieces import safe_pieces, split_at

# Letters with marks and without case, digits, apostrophes, both kinds of newline, spaces of many kinds, controls.
ALPHABET = "aBſé s'tldLLve’re \n\r\t\u00a0\u3000\u2028\x85\x1c\x0b"
ALPHABET += "12½٣ⅷ.,;/!?-—。，、你我対ไทยक्ष\u0301\u0651ʰ🙂🏽\u200d€^\ufeff"
TEXT = st.lists(st.sampled_from(ALPHABET) | st.characters(exclude_categories=["Cs"]), max_size=60).map("".join)


@pytest.fixture(scope="session")
def encodings(gpt2):
    """GPT-2's merges with each of tiktoken's patterns: only the pattern decides where a piece may end."""
    public = pytest.importorskip("tiktoken_ext.openai_public")
    patterns = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: {})  # no download
        patch.setattr(public, "data_gym_to_mergeable_bpe_ranks", lambda *_, **__: {})
        for name, build in public.ENCODING_CONSTRUCTORS.items():
            patterns[build()["pat_str"]] = name
    assert len(patterns) == 3, "tiktoken has a new pattern: check the rule of embedlab/data/pieces.py against it"
    ranks = gpt2.encoding._mergeable_ranks
    return [tiktoken.Encoding(n, pat_str=p, mergeable_ranks=ranks, special_tokens={}) for p, n in patterns.items()]


def chunks_of(text: str, sizes: list[int]) -> list[str]:
    ends = [0, *itertools.accumulate(sizes), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


@given(text=TEXT, sizes=st.lists(st.integers(0, 5), max_size=60))
@settings(max_examples=1500)
def test_pieces_give_the_whole_texts_ids(encodings, text, sizes):
    pieces = list(safe_pieces(chunks_of(text, sizes)))
    assert "".join(pieces) == text
    for encoding in encodings:
        ids = [i for piece in pieces for i in encoding.encode_ordinary(piece)]
        assert ids == encoding.encode_ordinary(text), encoding.name


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_real_text_give_its_ids(encodings, corpora, size):
    text = (corpora / "tinyshakespeare.txt").read_text("utf-8")[: 5000 * min(size, 60)]
    pieces = list(safe_pieces(text[i : i + size] for i in range(0, len(text), size)))
    assert len(pieces) > len(text) / max(size, 60)
    for encoding in encodings:
        ids = np.concatenate([encoding.encode_to_numpy(piece) for piece in pieces])
        assert np.array_equal(ids, encoding.encode_to_numpy(text))


def test_chinese_pieces_end_at_punctuation():
    text = "你爸妈对我的看法，我爸妈对你的看法。" * 100
    pieces = list(safe_pieces(text[i : i + 50] for i in range(0, len(text), 50)))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) < 80


def test_an_endless_word_is_cut():
    pieces = list(safe_pieces(itertools.repeat("a" * 10, 100), longest=64))
    assert "".join(pieces) == "a" * 1000
    assert max(map(len, pieces)) == 70


@given(text=TEXT, sizes=st.lists(st.integers(1, 20), max_size=20), data=st.data())
def test_split_at_yields_all_text_in_order(text, sizes, data):
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
    found = list(split_at(safe_pieces(chunks_of(text, sizes)), ends))
    assert "".join(piece for _, piece in found) == text
    assert [part for part, _ in found] == sorted(part for part, _ in found)
    first = len("".join(piece for part, piece in found if part == 0))
    assert first >= ends[0]


@given(st.lists(st.sampled_from(["word", "x", "你"]), min_size=30, max_size=80), st.integers(0, 50), st.integers(0, 50))
def test_split_at_cuts_at_the_next_end_of_a_word(words, a, b):
    text = " ".join(words)
    targets = sorted((a, b))
    parts = ["", "", ""]
    for part, piece in split_at([text], targets):
        parts[part] += piece
    ends = [0, *(i for i, c in enumerate(text) if c == " "), len(text)]
    first = min(e for e in ends if e >= targets[0])
    second = max(first, min(e for e in ends if e >= targets[1]))
    assert parts == [text[:first], text[first:second], text[second:]]
