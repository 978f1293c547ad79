"""`python -m embedlab.check`: damage that leaves size and times as they were."""

import os
from pathlib import Path

import pytest

from embedlab import check
from embedlab.config.tree import CONF, FilesConfig, TokenizerConfig
from embedlab.data.tokenizer import load_tokenizer
from embedlab.data.tokens import Tokens, prepare
from embedlab.runs import file_hashes


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "text.txt").write_text("a text that is long enough to be remembered. " * 40_000)
    now = file_hashes.time.time_ns
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now() + 3 * 10**9)  # it was written some time ago
    return tmp_path / "cache"


def use(cache: Path) -> Tokens:
    file_hashes._known.clear()  # as in a new process
    config = FilesConfig("files", 0.1, 0.1, str(cache.parent / "text.txt"), "text")
    return prepare(config, load_tokenizer(TokenizerConfig("bytes", None), cache), cache)


def damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a byte of the file; from here on, its size and times are those of before."""
    stamp, stamp_of = file_hashes._stamp(path), file_hashes._stamp
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(file_hashes, "_stamp", lambda other: stamp if other == path else stamp_of(other))


def test_an_intact_cache(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    use(cache)
    with pytest.raises(SystemExit) as ended:
        check.main([str(cache)])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "hashed 2 files, 5 MB; damaged: 0\n"  # the text and its training ids


def test_damaged_tokens_are_found_and_the_next_run_makes_them_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = use(cache).folder / "train.bin"
    whole = path.read_bytes()
    damage(path, monkeypatch)
    assert use(cache).train.tobytes() != whole, "no run notices it"
    with pytest.raises(SystemExit) as ended:
        check.main([str(cache)])
    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        f"damaged  {path}: the next run reads or makes it again",
        "hashed 2 files, 5 MB; damaged: 1",
    ]
    assert use(cache).train.tobytes() == whole


def test_a_damaged_text_is_another_text_for_the_next_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = use(cache).corpus["sha256"]
    damage(cache.parent / "text.txt", monkeypatch)
    assert use(cache).corpus["sha256"] == before
    assert check.check(cache) == [cache.parent / "text.txt"]
    assert use(cache).corpus["sha256"] != before
    assert check.check(cache) == []


def test_what_changed_or_is_gone_is_not_damaged(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = use(cache).folder / "train.bin"
    os.utime(cache.parent / "text.txt")
    train.unlink()
    (cache / "hashes" / "foreign.json").write_text("[1]")
    assert check.check(cache) == []
    assert capsys.readouterr().out == "hashed 0 files, 0 MB; damaged: 0\n"
    assert (cache / "hashes" / "foreign.json").read_text() == "[1]"


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        check.main([str(tmp_path / "none")])
    assert ended.value.code == f"error: {tmp_path / 'none'} is no folder: give the cache's, as in cache_dir=FOLDER"


def test_its_default_is_that_of_a_run() -> None:
    assert 'cache_dir: ${oc.env:EMBEDLAB_CACHE,"~/.cache/embedlab"}' in (CONF / "config.yaml").read_text()
    assert os.environ.get("EMBEDLAB_CACHE", "~/.cache/embedlab") == check.CACHE_DIR
