"""Files and folders that are complete or absent."""

from pathlib import Path

import pytest

from embedlab.runs.atomic_write import atomic_folder, atomic_path, atomic_write


def fill_disk(beside: Path) -> None:
    """Write a part, then fail."""
    beside.write_bytes(b"ne")
    raise OSError("full")


def fail_half_way(path: Path) -> None:
    with pytest.raises(OSError, match="full"), atomic_path(path) as beside:
        fill_disk(beside)


def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    fail_half_way(path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"old")
    fail_half_way(path)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_the_old_file_is_kept_if_asked(tmp_path: Path) -> None:
    for content in (b"1", b"2", b"3"):
        with atomic_path(tmp_path / "new", kept_as=tmp_path / "old") as beside:
            beside.write_bytes(content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"new": b"3", "old": b"2"}


def test_text_keeps_its_newlines(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.csv", newline="") as file:
        file.write("ä\r\n")
        assert not (tmp_path / "a.csv").exists()
    assert (tmp_path / "a.csv").read_bytes() == "ä\r\n".encode()


def test_a_folder_is_complete_or_absent(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    (tmp_path / "made.tmp").mkdir()  # of a killed process
    (tmp_path / "made.tmp" / "half").touch()
    with atomic_folder(folder) as new:
        (new / "a").touch()
        assert not folder.exists()
    with pytest.raises(OSError, match="full"), atomic_folder(folder) as new:
        fill_disk(new / "c")
    with pytest.raises(OSError), atomic_folder(folder) as new:  # the caller must remove an old folder
        (new / "b").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["made", "made/a"]
