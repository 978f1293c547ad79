"""Hashes of files: correct after every change, computed once if nothing changes."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from embedlab.config.tree import Config
from embedlab.runs import file_hashes
from embedlab.runs.file_hashes import hash_files, known_sha256, known_sha256s, read_sha256s


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record every file that is hashed from now on; the clock says that all were written more than two seconds ago."""
    read: list[Path] = []
    original = file_hashes.sha256_of

    def counted(path: Path) -> str:
        read.append(path)
        return original(path)

    monkeypatch.setattr(file_hashes, "sha256_of", counted)
    monkeypatch.setattr(file_hashes, "_known", {})
    now = time.time_ns
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now() + 3 * 10**9)
    return read


@pytest.mark.parametrize("size", [10, file_hashes.SMALL + 10])
def test_a_file_is_read_again_only_if_it_changed(tmp_path: Path, hashed: list[Path], size: int) -> None:
    path = tmp_path / "text.txt"
    for content in (b"a" * size, b"b" * size):  # of equal length
        path.write_bytes(content)
        for _ in range(5):
            assert known_sha256(path, tmp_path / "cache") == hashlib.sha256(content).hexdigest()
    assert len(hashed) == 2


def test_another_process_finds_a_large_files_hash_in_the_cache(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * file_hashes.SMALL)
    first = known_sha256(path, tmp_path / "cache")
    monkeypatch.setattr(file_hashes, "_known", {})  # as in a new process
    assert known_sha256(path, tmp_path / "cache") == first
    assert len(hashed) == 1
    (kept,) = (tmp_path / "cache" / "hashes").iterdir()
    for junk in ("", "[]", "{}", '{"sha256": 3}'):
        kept.write_text(junk)
        monkeypatch.setattr(file_hashes, "_known", {})
        assert known_sha256(path, tmp_path / "cache") == first


def test_restored_times_hide_no_change(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * 10)
    times = path.stat()
    first = known_sha256(path, tmp_path)
    time.sleep(0.02)  # a tick of the file system's clock
    path.write_bytes(b"b" * 10)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert known_sha256(path, tmp_path) != first


def test_the_hash_of_a_file_written_just_now_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second change within one tick of the clock leaves the same size and times."""
    monkeypatch.setattr(file_hashes, "_known", {})
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * 10)
    stamp = file_hashes._stamp(path)
    monkeypatch.setattr(file_hashes, "_stamp", lambda path: stamp)
    first = known_sha256(path, tmp_path)
    path.write_bytes(b"b" * 10)
    assert known_sha256(path, tmp_path) != first


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, hashed: list[Path]) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * file_hashes.SMALL)
    (tmp_path / "cache").write_text("a file instead of the folder")
    assert known_sha256(path, tmp_path / "cache") == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_of_the_user_are_found_at_any_depth(make_config: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "table.npy").write_bytes(b"table")
    config = make_config("position=none", f"model.token_table.path={tmp_path}/table.npy")
    assert hash_files(config) == {f"{tmp_path}/table.npy": hashlib.sha256(b"table").hexdigest()}
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(name)
    config.position = {  # only names and shapes of settings matter
        "file": f"{tmp_path}/a.py",
        "inner": {"name": "per_layer", "schemes": ["none", {"name": "x", "file": f"{tmp_path}/b.py"}]},
        "nowhere": {"file": f"{tmp_path}/missing.py"},
    }
    config.model.token_table.path = None
    assert list(hash_files(config)) == [f"{tmp_path}/a.py", f"{tmp_path}/b.py"]


def test_of_many_small_files_only_a_changed_one_is_read_again(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{i}.txt" for i in range(12)]
    for path in paths:
        path.write_bytes(path.name.encode() * 20_000)
    first = known_sha256s(paths, tmp_path / "cache")
    assert first == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert len(list((tmp_path / "cache" / "hashes").iterdir())) == 1
    hashed.clear()
    paths[5].write_bytes(b"edited")
    monkeypatch.setattr(file_hashes, "_known", {})  # as in a new process
    now = known_sha256s(paths, tmp_path / "cache")
    assert hashed == [paths[5]]
    assert now == [*first[:5], hashlib.sha256(b"edited").hexdigest(), *first[6:]]
    assert read_sha256s(paths, tmp_path / "cache") == now
    assert hashed[1:] == paths


def test_a_hash_with_one_changed_digit_is_not_trusted(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * file_hashes.SMALL)
    first = known_sha256(path, tmp_path / "cache")
    (kept,) = (tmp_path / "cache" / "hashes").iterdir()
    kept.write_text(kept.read_text().replace(first, "0" + first[1:] if first[0] != "0" else "1" + first[1:]))
    monkeypatch.setattr(file_hashes, "_known", {})
    assert known_sha256(path, tmp_path / "cache") == first
