"""JSON files that are trusted only if they are whole."""

from pathlib import Path

import pytest

from embedlab.runs.checked_json import read_checked, write_checked

CONTENT = {"b": [1, 2.5, None], "a": "é", "n": 12345}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_checked(tmp_path / "a.json", CONTENT)
    assert read_checked(tmp_path / "a.json") == CONTENT
    write_checked(tmp_path / "a.json", [])
    assert read_checked(tmp_path / "a.json") == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"{}", b'{"content": 3}', b"\xff\xfe", b'{"embedlab": "00", "content": 3}']
)
def test_damaged_and_foreign_files_are_not_read(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.json").write_bytes(damage)
    with pytest.raises(ValueError):
        read_checked(tmp_path / "a.json")


def test_one_changed_digit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_checked(path, CONTENT)
    path.write_text(path.read_text().replace("12345", "12346"))
    with pytest.raises(ValueError, match=r"a.json does not have its own sha256"):
        read_checked(path)
    write_checked(path, CONTENT)  # a damaged one of ours is replaced
    assert read_checked(path) == CONTENT


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"mine": 1}')
    with pytest.raises(FileExistsError, match="was not written by embedlab"):
        write_checked(tmp_path / "a.json", CONTENT)
    assert (tmp_path / "a.json").read_text() == '{"mine": 1}'
