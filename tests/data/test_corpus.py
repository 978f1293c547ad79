"""Reading files of every kind, and one short message for everything that can be wrong with them."""

import gzip
import json
import os
import re
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import embedlab.data.corpus as module
from embedlab.config.corpora import DownloadConfig, FilesConfig
from embedlab.config.errors import UserError
from embedlab.data.corpus import Corpus, open_corpus
from embedlab.data.corpus_files import find_files
from embedlab.runs.file_hashes import sha256_of


def texts(path, field="text") -> list[str]:
    config = FilesConfig("files", 0.1, 0.1, path if isinstance(path, list) else str(path), field)
    return ["".join(document.chunks()) for document in open_corpus(config, Path("unused")).documents()]


def write(path: Path, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "tree"
    write(root / "b.txt", "plain b")
    write(root / "a.md", "# a")
    write(root / "sub/c.txt.gz", "packed c")
    write(root / "sub/d.md.gz", "packed d")
    write(root / "e.jsonl", '{"text": "e1", "other": 1}\n\n{"text": "e2 \\u4f60"}\n{"text": ""}\n')
    write(root / "sub/f.jsonl.gz", '{"text": "f1"}')
    write(root / "g.csv", "not read")
    write(root / "empty.txt", "")
    write(root / ".git/h.txt", "hidden")
    write(root / "sub/.i.txt", "hidden")
    return root


def test_a_folder_is_read_in_order(tree):
    assert texts(tree) == ["# a", "plain b", "e1", "e2 你", "packed c", "packed d", "f1"]


def test_every_form_of_corpus_path(tree, monkeypatch):
    assert texts(tree / "b.txt") == ["plain b"]
    assert texts([str(tree / "b.txt"), str(tree / "a.md"), str(tree / "b.txt")]) == ["plain b", "# a"]
    assert texts(tree / "*.md") == ["# a"]
    assert texts(tree / "**" / "*.gz") == ["packed c", "packed d", "f1"]
    assert texts([str(tree / "sub"), str(tree / "?.txt")]) == ["packed c", "packed d", "f1", "plain b"]
    assert texts(tree / "e.jsonl", field="text") == ["e1", "e2 你"]
    monkeypatch.chdir(tree)
    assert texts("sub/c.txt.gz") == ["packed c"]
    monkeypatch.setenv("HOME", str(tree))
    assert texts("~/b.txt") == ["plain b"]
    os.rename("b.txt", "b[1].txt")  # a file whose name looks like a glob
    assert texts("b[1].txt") == ["plain b"]


def test_sha256_depends_on_content_and_order(tree):
    one = Corpus("x", [tree / "b.txt"])
    assert one.sha256 == sha256_of(tree / "b.txt")
    several = [tree / "b.txt", tree / "a.md"]
    assert Corpus("x", several).sha256 == Corpus("y", several).sha256
    assert len({one.sha256, Corpus("x", several).sha256, Corpus("x", several[::-1]).sha256}) == 3
    assert Corpus("x", [tree / "e.jsonl"], "a").kinds != Corpus("x", [tree / "e.jsonl"], "b").kinds


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50), st.integers(1, 9))
def test_text_equals_what_python_reads(tmp_path_factory, text, chunk):
    path = tmp_path_factory.mktemp("text") / "t.txt"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        assert "".join(module._read_text(path)) == path.read_text("utf-8-sig")


def test_byte_order_marks_are_removed_and_newlines_converted(tmp_path):
    assert texts(write(tmp_path / "a.txt", "\ufeffone\r\ntwo\rthree".encode())) == ["one\ntwo\nthree"]
    assert texts(write(tmp_path / "a.jsonl", '\ufeff{"text": "x"}\r\n'.encode())) == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"ab\xffcd", r"corpus.path: \S+a.txt is not UTF-8 at byte 2"),
        ("a.txt.gz", b"abcdefgh\xc3", r"is not UTF-8 at byte 8"),
        ("a.txt", "é".encode("utf-16"), r"a.txt is binary \(zero at byte \d\): give UTF-8 text"),
        ("a.md", b"%PDF\x00\x01", r"a.md is binary \(zero at byte 4\)"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"a.jsonl line 2 is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', r"is not UTF-8 at byte 24"),
        ("a.jsonl", b'{"body": "a", "id": 3}', r"corpus.field=text is not a field of \S+ line 1 \(it has body, id\)"),
        ("a.jsonl", b'["text"]', r"corpus.field=text is not a field of \S+ line 1 \(it has none\)"),
        ("a.jsonl", b'{"text": 3}', r"corpus.field=text is not text in \S+ line 1 but int"),
        ("a.jsonl", b'{"text": "a\\ud800"}', r"line 1 holds U\+D800, a lone surrogate"),
        ("a.jsonl", b"[" * 100_000, r"line 1 is not JSON"),
        ("a.csv", b"a,b", r"corpus.path=\S+a.csv does not have a known suffix: give .txt, .txt.gz"),
    ],
)
def test_bad_content_is_one_message(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message) as caught:
        texts(write(tmp_path / name, content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


@given(st.binary(max_size=40), st.integers(1, 7))
def test_the_offset_of_the_bad_byte_is_reported(tmp_path_factory, data, chunk):
    path = tmp_path_factory.mktemp("bytes") / "t.txt"
    path.write_bytes(data.replace(b"\0", b"\xfe"))
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError as error:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "CHUNK", chunk)
            with pytest.raises(UserError, match=rf"is not UTF-8 at byte {error.start}:"):
                list(module._read_text(path))


@pytest.mark.parametrize("cut", [5, 40])
def test_a_truncated_gz_file_is_refused(tmp_path, cut):
    path = write(tmp_path / "a.txt.gz", os.urandom(500).hex())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"a.txt.gz is not a complete .gz file"):
        texts(path)


def test_a_gz_file_that_is_plain_text_is_refused(tmp_path):
    (tmp_path / "a.txt.gz").write_text("plain")
    with pytest.raises(UserError, match=r"a.txt.gz is not a complete .gz file"):
        texts(tmp_path / "a.txt.gz")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nowhere.txt", r"corpus.path=\S*nowhere.txt does not exist: give a file, a folder or a glob"),
        ("*.txt", r"corpus.path=\S*\*.txt contains no text: give files named .txt"),
        ("empty", r"corpus.path=\S*empty contains no text: give files named .txt"),
        ("*", r"corpus.path=\S*\* contains no text"),
    ],
)
def test_a_path_without_text_is_refused(tmp_path, entry, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        find_files(str(tmp_path / entry))


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    """The error is simulated, because root may read everything."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.txt", "x")
    monkeypatch.setattr(Path, "open", refuse)
    for read in (lambda: texts(path), lambda: Corpus("x", [path]).sha256):
        with pytest.raises(UserError, match=r"corpus.path: \S+a.txt cannot be read \(Permission denied\)"):
            read()


@pytest.fixture
def served(tmp_path):
    """A folder and the URL that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def download(url: str, sha256: str, cache: Path) -> Corpus:
    return open_corpus(DownloadConfig("verdict", 0.1, 0.1, url, sha256), cache)


@pytest.mark.parametrize("name", ["the-verdict.txt", "tinyshakespeare.txt"])
def test_a_corpus_is_downloaded_once(served, corpora, tmp_path, name):
    folder, address = served
    sha256 = sha256_of(corpora / name)
    configs = Path(__file__).parents[2] / "conf" / "corpus"
    assert sha256 in "".join(path.read_text() for path in configs.glob("*.yaml"))
    write(folder / name, (corpora / name).read_bytes())
    corpus = download(f"{address}/{name}", sha256, tmp_path / "cache")
    assert corpus.sha256 == sha256
    assert ["".join(d.chunks()) for d in corpus.documents()] == [(corpora / name).read_text("utf-8")]
    (folder / name).unlink()  # so the second call cannot download it
    assert download(f"{address}/{name}", sha256, tmp_path / "cache").files == corpus.files
    corpus.files[0].write_text("damaged")
    with pytest.raises(UserError, match="HTTP status 404"):
        download(f"{address}/{name}", sha256, tmp_path / "cache")


def test_a_failed_download_is_one_message(served, tmp_path):
    folder, address = served
    write(folder / "a.txt", "another text")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    for url, reason in [
        (f"{address}/a.txt", "its sha256 is not the one in corpus.sha256"),
        (f"{address}/b.txt", "HTTP status 404"),
        (f"{closed}/a.txt", "ConnectionError"),
    ]:
        message = rf"^corpus=verdict could not be downloaded from {re.escape(url)} \({reason}\): .* corpus.path=FILE$"
        with pytest.raises(UserError, match=message):
            download(url, "0" * 64, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.txt")), "a file with a wrong sha256 must not stay"


def test_json_text_is_kept_exactly(tmp_path):
    lines = ["a\r\nb\u2028c\x85d", "\0 \ufeff", "plain"]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps({"text": line}, ensure_ascii=False) + "\n" for line in lines))
    assert texts(path) == lines
