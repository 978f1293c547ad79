"""What is computed once from a cache's tokens and used by all runs: never damaged, foreign or outdated."""

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedlab.config.corpora import FilesConfig
from embedlab.data import cache, tokens
from embedlab.data.baselines import baselines
from embedlab.data.cache import load_or_build, load_or_compute
from embedlab.data.tokenizer import Tokenizer
from embedlab.data.tokens import Tokens, prepare
from embedlab.data.windows import SlidingWindows
from embedlab.runs import file_hashes

WORDS = "a few words that come again, and others that do not. " * 400


def compute() -> dict:
    return {"n": 7, "x": 0.1}


def fail() -> dict:
    raise AssertionError("computed again")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def build(new: Path) -> dict:
        (new / "data").write_text("content")
        return {}

    load_or_build(tmp_path / "cache" / "tokens" / "b", build)
    return tmp_path / "cache" / "tokens" / "b"


@pytest.fixture
def text(tmp_path: Path, byte: Tokenizer) -> Callable[[], Tokens]:
    (tmp_path / "a.txt").write_text(WORDS)
    config = FilesConfig("files", 0.1, 0.1, str(tmp_path / "a.txt"), "text")
    return lambda: prepare(config, byte, tmp_path / "cache")


def test_facts_are_computed_once(folder: Path) -> None:
    assert load_or_compute(folder, "facts.json", compute) == compute()
    assert load_or_compute(folder, "facts.json", fail) == compute()


@pytest.mark.parametrize("damage", ["", "[]", "truncate", "digit"])
def test_damaged_facts_are_computed_again(folder: Path, damage: str) -> None:
    load_or_compute(folder, "facts.json", compute)
    path = folder / "facts.json"
    whole = path.read_text()
    changed = {"truncate": whole[:-9], "digit": whole.replace("7, ", "8, ")}.get(damage, damage)
    assert changed != whole
    path.write_text(changed)
    assert load_or_compute(folder, "facts.json", compute) == compute()
    assert (path.read_text() == whole) == (damage in ("truncate", "digit")), "only a file of ours is replaced"


def test_facts_of_others_are_neither_used_nor_replaced(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "facts.json").write_text('{"n": 8}')
    with caplog.at_level(logging.WARNING, "embedlab.data"):
        assert load_or_compute(folder, "facts.json", compute) == compute()
    assert "facts.json cannot be kept for other runs" in caplog.text
    assert (folder / "facts.json").read_text() == '{"n": 8}'


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "_lock", refused)
    assert load_or_compute(folder, "facts.json", compute) == compute()
    assert not (folder / "facts.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_no_error(folder: Path) -> None:
    for path in (folder, folder.parent):
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert load_or_compute(folder, "facts.json", compute) == compute()
    finally:
        for path in (folder.parent, folder):
            path.chmod(stat.S_IRWXU)


def test_a_rebuilt_folder_loses_facts_that_were_computed_from_the_damaged_one(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_or_compute(folder, "facts.json", compute)
    (folder / "data").write_text("contenT")

    def build(new: Path) -> dict:
        (new / "data").write_text("content")
        return {}

    load_or_build(folder, build)
    assert sorted(os.listdir(folder)) == ["data", "meta.json"]
    assert "is damaged" in caplog.text


def test_a_changed_digit_in_what_is_known_about_the_tokens_is_found(
    text: Callable[[], Tokens], caplog: pytest.LogCaptureFixture
) -> None:
    first = text()
    meta = first.folder / "meta.json"
    assert meta.read_text().count(f'"bytes": {len(WORDS)}') == 1
    meta.write_text(meta.read_text().replace(f'"bytes": {len(WORDS)}', f'"bytes": {len(WORDS) + 1}'))
    assert text().corpus == first.corpus
    assert "meta.json does not have its own sha256" in caplog.text


def test_a_cache_of_an_earlier_version_is_used(text: Callable[[], Tokens], monkeypatch: pytest.MonkeyPatch) -> None:
    first = text()
    meta = json.loads((first.folder / "meta.json").read_text())
    del meta["sha256"]
    (first.folder / "meta.json").write_text(json.dumps(meta))
    monkeypatch.setattr(tokens, "_tokenize", None)
    assert text().corpus == first.corpus


def test_counts_and_baselines_are_those_of_the_text(
    text: Callable[[], Tokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = text()
    counts = np.bincount(first.train, minlength=257).tolist()
    assert first.train_counts.tolist() == counts
    expected = {}
    for length, stride in [(16, 16), (16, 48), (8, 20)]:
        expected[length, stride] = baselines(first.train, SlidingWindows(first.val, length, stride), 257)
        assert first.baselines(SlidingWindows(first.val, length, stride)) == expected[length, stride]
    assert len({found["bigram"] for found in expected.values()}) == 3
    monkeypatch.setattr(tokens, "count_tokens", None)  # from here on all must come from the cache
    monkeypatch.setattr(tokens, "baselines", None)
    again = text()
    assert again.train_counts.tolist() == counts
    for (length, stride), losses in expected.items():
        assert again.baselines(SlidingWindows(again.val, length, stride)) == losses


def test_an_edit_gives_other_counts_and_baselines(text: Callable[[], Tokens], tmp_path: Path) -> None:
    first = text()
    windows = SlidingWindows(first.val, 16, 16)
    before, counts = first.baselines(windows), first.train_counts.tolist()
    times = (tmp_path / "a.txt").stat()
    (tmp_path / "a.txt").write_text(WORDS.replace("again", "often"))  # of equal length
    os.utime(tmp_path / "a.txt", ns=(times.st_atime_ns, times.st_mtime_ns))
    now = text()
    assert now.corpus["sha256"] != first.corpus["sha256"]
    assert now.train_counts.tolist() != counts
    assert now.baselines(SlidingWindows(now.val, 16, 16)) != before


def test_a_second_run_reads_neither_the_text_nor_the_tokens(
    tmp_path: Path, byte: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(WORDS * 100)  # 2 MB
    config = FilesConfig("files", 0.1, 0.1, str(path), "text")
    now = file_hashes.time.time_ns
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now() + 3 * 10**9)  # the text was written some time ago
    first = prepare(config, byte, tmp_path / "cache")
    read: list[Path] = []
    hash_file = file_hashes.sha256_of
    monkeypatch.setattr(file_hashes, "sha256_of", lambda path: read.append(path) or hash_file(path))
    monkeypatch.setattr(file_hashes, "_known", {})  # as in a new process
    assert prepare(config, byte, tmp_path / "cache").corpus == first.corpus
    assert [path.name for path in read] == ["test.bin", "val.bin"][: len(read)], "only what is below 1 MB"
    before = (first.folder / "train.bin").read_bytes()
    damaged = bytearray(before)
    damaged[1000] ^= 1
    (first.folder / "train.bin").write_bytes(damaged)  # the same size, another time
    assert prepare(config, byte, tmp_path / "cache").train.tobytes() == before


SCRIPT = """
import sys, time
from pathlib import Path
from embedlab.data.cache import load_or_compute
def compute():
    with open(Path(sys.argv[1]).parent / "log", "a") as log:
        log.write("computed\\n")
    time.sleep(0.5)
    return {"n": 7}
print(load_or_compute(Path(sys.argv[1]), "facts.json", compute))
"""


def test_of_several_processes_one_computes(folder: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["{'n': 7}\n"] * 3
    assert (folder.parent / "log").read_text() == "computed\n"
