"""A corpus as token ids: splits, separators, cache, memory."""

import collections
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import embedlab.data.corpus
from embedlab.config.corpora import FilesConfig
from embedlab.config.errors import UserError
from embedlab.data import tokens
from embedlab.data.tokens import prepare


def files(path, val=0.1, test=0.1, name="files") -> FilesConfig:
    return FilesConfig(name, val, test, path if isinstance(path, list) else str(path), "text")


def jsonl(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def documents(ids: np.ndarray, tokenizer) -> list[str]:
    """Return the texts between <|endoftext|> tokens."""
    ends = np.flatnonzero(ids == tokenizer.eot)
    return [tokenizer.decode(part[part != tokenizer.eot]) for part in np.split(ids, ends)]


@pytest.mark.parametrize("chunk", [1 << 20, 1000, 7])
def test_one_text_is_cut_into_three(corpora, verdict, gpt2, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(embedlab.data.corpus, "CHUNK", chunk)
    found = prepare(files(corpora / "the-verdict.txt"), gpt2, tmp_path)
    assert np.concatenate([found.train, found.val, found.test]).tolist() == gpt2.encode(verdict).tolist()
    assert found.train.dtype == np.uint16
    train, val = gpt2.decode(found.train), gpt2.decode(found.val)
    assert 0 <= len(train) - round(0.8 * len(verdict)) < 30
    assert 0 <= len(train + val) - round(0.9 * len(verdict)) < 30
    assert found.corpus == {
        "name": "files",
        "sha256": "b41e41a68f0398a3154ae69e2e4c0e2694e17fe0d66730536837f1b01935b31f",
        "tokens": 5145,
        "bytes": 20479,
        "documents": 1,
        "splits": {"train": len(found.train), "val": len(found.val), "test": len(found.test)},
    }
    for split in (found.train, found.val, found.test):
        with pytest.raises(ValueError, match="read-only"):
            split[0] = 1


def test_few_documents_are_each_cut(tmp_path, byte):
    texts = [f"{chr(97 + i)} " * 100 for i in range(5)]
    found = prepare(files(jsonl(tmp_path / "a.jsonl", texts), 0.2, 0.3), byte, tmp_path)
    splits = [documents(ids, byte) for ids in (found.train, found.val, found.test)]
    assert [len(split) for split in splits] == [5, 5, 5]
    assert ["".join(parts) for parts in zip(*splits, strict=True)] == texts
    assert [len(part) for part in splits[1]] == [40] * 5
    assert [len(part) for part in splits[2]] == [59] * 5  # a cut is before a space: one character later
    assert found.corpus["tokens"] == 5 * 200 + 3 * 4


def test_many_documents_each_go_to_one_split(tmp_path, byte):
    texts = [f"document {i % 150}" for i in range(300)]  # each text twice
    found = prepare(files(jsonl(tmp_path / "a.jsonl", texts)), byte, tmp_path)
    splits = [documents(ids, byte) for ids in (found.train, found.val, found.test)]
    assert collections.Counter(splits[0] + splits[1] + splits[2]) == collections.Counter(texts)
    assert set(splits[0]).isdisjoint(splits[1] + splits[2])
    assert set(splits[1]).isdisjoint(splits[2])
    assert 200 <= len(splits[0]) <= 270
    assert min(len(splits[1]), len(splits[2])) >= 10
    assert splits[0] == [text for text in texts if text in set(splits[0])]  # in the same order
    # A document's split depends on its own text alone
    more = prepare(files(jsonl(tmp_path / "b.jsonl", ["first", *texts])), byte, tmp_path)
    assert set(splits[1]) <= set(documents(more.val, byte)) <= {*splits[1], "first"}


def test_a_separator_written_in_the_text_stays_text(tmp_path, gpt2):
    (tmp_path / "a.txt").write_text("one <|endoftext|> two " * 20)
    (tmp_path / "b.txt").write_text("three " * 50)
    found = prepare(files(tmp_path / "?.txt"), gpt2, tmp_path)
    assert [(ids == gpt2.eot).sum() for ids in (found.train, found.val, found.test)] == [1, 1, 1]
    assert "<|endoftext|>" in documents(found.train, gpt2)[0]


@pytest.mark.parametrize(("which", "dtype"), [("gpt2", "uint16"), ("byte", "uint16")])
def test_ids_have_the_smallest_sufficient_type(request, tmp_path, which, dtype):
    (tmp_path / "a.txt").write_text("some text " * 20)
    assert prepare(files(tmp_path / "a.txt"), request.getfixturevalue(which), tmp_path).train.dtype == dtype
    assert np.min_scalar_type(100_277 - 1) == np.uint32


def test_the_cache_depends_on_text_settings_and_tokenizer(tmp_path, gpt2, gpt2_small, byte, caplog, monkeypatch):
    source = tmp_path / "a.txt"
    source.write_text("some text " * 100)
    with caplog.at_level(logging.INFO, "embedlab.data"):
        for config, tokenizer in [
            (files(source), gpt2),
            (files(source), gpt2_small),
            (files(source), byte),
            (files(source, val=0.2), byte),
            (files(source, test=0.2), byte),
        ]:
            prepare(config, tokenizer, tmp_path / "cache")
        source.write_text("other text " * 100)
        prepare(files(source), byte, tmp_path / "cache")
    assert caplog.text.count("tokenized corpus=files") == 6
    monkeypatch.setattr(tokens, "_tokenize", None)  # from here on ids must come from the cache
    assert documents(prepare(files(source), byte, tmp_path / "cache").train, byte)[0].startswith("other text")


def test_a_damaged_cache_is_rebuilt(tmp_path, byte):
    source = tmp_path / "a.txt"
    source.write_text("some text " * 100)
    before = prepare(files(source), byte, tmp_path / "cache").train.tolist()
    (path,) = (tmp_path / "cache").rglob("train.bin")
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    assert prepare(files(source), byte, tmp_path / "cache").train.tolist() == before


def test_short_texts_leave_empty_splits(tmp_path, byte):
    (tmp_path / "a.txt").write_text("x")
    found = prepare(files(tmp_path / "a.txt"), byte, tmp_path)
    assert sorted(map(len, (found.train, found.val, found.test))) == [0, 0, 1]


@pytest.mark.parametrize("content", ["", "\ufeff"])
def test_an_empty_corpus_is_refused(tmp_path, byte, content):
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"corpus=files is empty: \S+a.txt without any text; give other files"):
        prepare(files(tmp_path / "a.txt"), byte, tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache" / "tokens").iterdir() if p.is_dir()]


def test_a_text_that_changes_while_it_is_read_is_never_cached(tmp_path, byte, monkeypatch):
    """Its ids would be cached under the hash of the old text, and every later run on that text would use them."""
    path = tmp_path / "a.txt"
    path.write_text("a b " * 100)
    split_documents = tokens._split_documents

    def edited(corpus, config):
        path.write_text("c d " * 100)
        return split_documents(corpus, config)

    monkeypatch.setattr(tokens, "_split_documents", edited)
    with pytest.raises(UserError, match="corpus=files was changed while it was tokenized: rerun the same command"):
        prepare(files(path), byte, tmp_path / "cache")
    path.write_text("a b " * 100)
    monkeypatch.undo()
    assert "c" not in byte.decode(prepare(files(path), byte, tmp_path / "cache").train)


def test_a_corpus_name_is_not_used_as_a_path(tmp_path, byte):
    (tmp_path / "a.txt").write_text("some text " * 10)
    prepare(files(tmp_path / "a.txt", name="../out/of"), byte, tmp_path / "cache")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "cache"]


MEMORY = r"""
import re, sys
from pathlib import Path
from embedlab.config.corpora import FilesConfig
from embedlab.config.groups import TokenizerConfig
from embedlab.data.tokenizer import load_tokenizer
from embedlab.data.tokens import prepare
tokenizer = load_tokenizer(TokenizerConfig("gpt2", None), Path("unused"))
found = prepare(FilesConfig("files", 0.1, 0.1, sys.argv[1], "text"), tokenizer, Path(sys.argv[2]))
peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())  # getrusage includes the parent's peak
print(found.corpus["tokens"], int(peak[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_memory_does_not_grow_with_the_corpus(corpora, tmp_path, kind):
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory of a process is read from /proc, which this system lacks")
    text = (corpora / "tinyshakespeare.txt").read_text("utf-8")
    line = json.dumps({"text": text}) + "\n" if kind == "jsonl" else text
    peaks, counts = [], []
    for times in {"txt": (10, 100), "jsonl": (3, 30)}[kind]:  # 11 and 112 MB, 3 and 33 MB
        path = tmp_path / f"{times}.{kind}"
        with path.open("w") as file:
            for _ in range(times):
                file.write(line)
        command = [sys.executable, "-c", MEMORY, str(path), str(tmp_path / "cache")]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        count, peak = map(int, run.stdout.split())
        counts.append(count)
        peaks.append(peak)
        path.unlink()
    print(f"{kind}: peak {peaks[0]} MiB for {counts[0]:,} tokens, {peaks[1]} MiB for {counts[1]:,}")
    assert counts[1] > 9.9 * counts[0]
    assert peaks[1] < peaks[0] + 30
    assert peaks[1] < 300
