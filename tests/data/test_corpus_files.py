"""The files of `corpus.path` if links lead to some of them: all of them, each once."""

import logging
import os
from pathlib import Path

import pytest

from embedlab.config.errors import UserError
from embedlab.data.corpus_files import find_files


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder of texts outside the corpus folder."""
    for name in ("disk/a.txt", "disk/sub/b.txt", "corpus/own.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "disk"


@pytest.fixture
def corpus(disk: Path) -> Path:
    return disk.with_name("corpus")


def contents(path: Path) -> list[str]:
    return [file.read_text() for file in find_files(str(path))]


def test_linked_folders_and_files_are_read(disk: Path, corpus: Path) -> None:
    (corpus / "linked").symlink_to(disk)
    assert contents(corpus) == ["disk/a.txt", "disk/sub/b.txt", "corpus/own.txt"]
    assert sorted(contents(corpus / "**" / "*.txt")) == ["corpus/own.txt", "disk/a.txt", "disk/sub/b.txt"]
    (corpus / "linked").unlink()
    (corpus / "a.txt").symlink_to(disk / "a.txt")
    assert contents(corpus) == ["disk/a.txt", "corpus/own.txt"]


def test_a_text_with_two_paths_is_read_once(disk: Path, corpus: Path) -> None:
    for name in ("x", "y"):
        (corpus / name).symlink_to(disk)
    (corpus / "z.txt").symlink_to(disk / "a.txt")
    expected = ["corpus/own.txt", "disk/a.txt", "disk/sub/b.txt"]
    assert sorted(contents(corpus)) == expected
    assert sorted(contents(corpus / "**" / "*.txt")) == expected
    twice = find_files([str(disk / "a.txt"), str(corpus / "x"), str(disk)])
    assert sorted(file.read_text() for file in twice) == ["disk/a.txt", "disk/sub/b.txt"]
    os.link(disk / "a.txt", corpus / "hard.txt")  # a hard link is a separate file to every tool
    assert len(find_files(str(corpus))) == 4


def test_a_loop_of_links_is_logged_and_not_entered(disk: Path, corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    (disk / "sub" / "up").symlink_to(disk)
    (corpus / "linked").symlink_to(disk)
    with caplog.at_level(logging.WARNING):
        assert contents(corpus) == ["disk/a.txt", "disk/sub/b.txt", "corpus/own.txt"]
    assert caplog.messages == [
        f"corpus.path: {corpus}/linked/sub/up is a link to a folder that contains it: not entered again"
    ]
    caplog.clear()
    (corpus / "linked2").symlink_to(disk)  # the same folder twice, but not a loop
    assert len(contents(corpus)) == 3
    assert len(caplog.messages) == 1
    assert sorted(contents(corpus / "**" / "*.txt")) == ["corpus/own.txt", "disk/a.txt", "disk/sub/b.txt"]


def test_a_broken_link_is_refused(disk: Path, corpus: Path) -> None:
    (corpus / "gone.txt").symlink_to(disk / "nowhere.txt")
    for path in (corpus, corpus / "*.txt"):
        with pytest.raises(UserError, match=r"gone\.txt is a link to \S+nowhere\.txt, which does not exist: correct"):
            find_files(str(path))
    (corpus / "gone.txt").rename(corpus / "gone.csv")  # not a name of a text
    assert contents(corpus) == ["corpus/own.txt"]


def test_an_unreadable_folder_is_refused(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (corpus / "closed").mkdir()
    listing = os.scandir

    def scandir(path: str) -> object:  # simulated, because root may read everything
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match=r"closed cannot be read \(Permission denied\)"):
        find_files(str(corpus))
