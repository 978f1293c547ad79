"""The built-in corpus: real, offline, and without a paragraph that is in two splits."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedlab.config.corpora import PythonDocsConfig
from embedlab.data import python_docs
from embedlab.data.python_docs import new_paragraphs
from embedlab.data.tokens import prepare

# Defined differently from the code: lines collected between blank ones.
TEXT = st.lists(st.sampled_from(["a b", " a  b", "\tc", "c", "", "  ", "d"]), max_size=20).map("\n".join)


def paragraphs(text: str) -> list[str]:
    found, block = [], []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            block += line.split()
        elif block:
            found.append(" ".join(block))
            block = []
    return found


@given(st.lists(TEXT, max_size=5))
def test_repeated_paragraphs_are_dropped(texts):
    seen: set[str] = set()
    kept = ["\n\n".join(new_paragraphs(text, seen)) for text in texts]
    found = [paragraph for text in kept for paragraph in paragraphs(text)]
    expected = list(dict.fromkeys(paragraph for text in texts for paragraph in paragraphs(text)))
    assert found == expected


@pytest.fixture(scope="module")
def found(gpt2, tmp_path_factory):
    return prepare(PythonDocsConfig("python_docs", 0.1, 0.1, True), gpt2, tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_no_paragraph_is_in_two_splits(found, gpt2):
    held = {}
    for split in ("train", "val", "test"):
        texts = gpt2.decode(getattr(found, split)).split("<|endoftext|>")
        held[split] = [paragraph for text in texts for paragraph in paragraphs(text)]
    assert len(held["train"]) > 5000
    assert min(len(held["val"]), len(held["test"])) > 300
    everything = held["train"] + held["val"] + held["test"]
    assert len(set(everything)) == len(everything)


@pytest.mark.slow
def test_the_corpus_is_large_enough(found):
    assert 300_000 < found.corpus["tokens"] < 1_000_000
    assert found.corpus["documents"] > 300
    assert len(found.val) > 20_000
    assert len(found.test) > 20_000


@pytest.mark.slow
def test_the_corpus_is_the_same_every_time(found, gpt2, tmp_path):
    again = prepare(PythonDocsConfig("python_docs", 0.1, 0.1, True), gpt2, tmp_path)
    assert again.corpus == found.corpus


def test_the_corpus_without_docstrings(gpt2, tmp_path):
    found = prepare(PythonDocsConfig("python_docs", 0.1, 0.1, False), gpt2, tmp_path)
    assert 50_000 < found.corpus["tokens"] < 300_000
    text = gpt2.decode(found.train)
    assert "An assignment statement evaluates the expression list" in re.sub(r"\s+", " ", text)


def test_docstrings_come_in_the_order_of_the_code(tmp_path):
    source = tmp_path / "m.py"
    source.write_text(
        '"""Module."""\n'
        "import os\n"
        "class A:\n"
        '    """Class\n\n        indented."""\n'
        "    def f(self):\n"
        "        '''Method.'''\n"
        "        async def g():\n"
        '            "Inner."\n'
        "try:\n    pass\nexcept OSError:\n"
        "    def h():\n"
        '        "In a handler."\n'
        'x = "no docstring"\n'
        "def empty():\n    return 1\n"
    )
    assert list(python_docs._docstrings_of(Path(source))) == [
        "Module.", "Class\n\nindented.", "Method.", "Inner.", "In a handler."
    ]  # fmt: skip
    source.write_text("def broken(:\n")
    assert list(python_docs._docstrings_of(Path(source))) == []
