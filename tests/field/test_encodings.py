"""In a terminal that has only ASCII (locale C), no line is lost, and files are the same as elsewhere."""

import io
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedlab.runs.atomic_write import atomic_write
from embedlab.runs.folder import job_folder, write_error
from embedlab.runs.results import write_results
from embedlab.runs.streams import accept_any_text
from tests.compare import synthetic
from tests.conftest import ROOT
from tests.field.shell import ASCII, TINY, command, said, succeeded, train, write_text

ANY = st.text(st.characters())  # lone surrogates included


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("text", ["job 1 — failed: é 位 ☃", "caf\udce9"])
def test_streams_take_any_text(monkeypatch: pytest.MonkeyPatch, encoding: str, text: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    accept_any_text()
    print(text, flush=True)
    assert out.buffer.getvalue() == text.encode(encoding, "backslashreplace") + os.linesep.encode()


@given(ANY)
def test_json_holds_any_text_and_is_utf8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("json") / "results.json"
    write_results(path, {"x": text})
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps({"x": text}))


@given(ANY)
def test_any_text_is_written_as_utf8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "x"
    with atomic_write(path, newline="") as file:
        file.write(text)
    with open(path, encoding="utf-8", newline="") as file:
        assert file.read() == text.encode("utf-8", "backslashreplace").decode()
    write_error(path.parent, ValueError(text))
    (path.parent / "error.txt").read_text(encoding="utf-8")


@given(ANY)
def test_any_overrides_name_a_folder_in_ascii(text: str) -> None:
    assert job_folder(text).isascii()


def test_a_comparison(tmp_path: Path) -> None:
    synthetic.sweep(tmp_path / "sweep", ["none", "rotary"], seeds=2)
    done = command("compare", tmp_path, "sweep", "--output", "comparé", **ASCII)
    shown = succeeded(done)
    assert shown.isascii()
    assert r"\xb1" in shown  # ± of the table
    assert "± " in (tmp_path / "comparé" / "comparison.md").read_text(encoding="utf-8")


def test_help_and_questions(tmp_path: Path) -> None:
    for question in (["--help"], ["--cfg", "job", "corpus.name=é"]):
        assert succeeded(command("train", tmp_path, *question, **ASCII)).isascii()
    mistake = command("train", tmp_path, "position=é", **ASCII)
    assert (mistake.returncode, said(mistake).count("\n")) == (1, 1)
    assert said(mistake).startswith("error: position=")


@pytest.mark.slow
def test_a_run_with_a_text_of_another_alphabet(tmp_path: Path) -> None:
    write_text(tmp_path / "té.txt")
    arguments = ["corpus.path=té.txt", "corpus.name=té", "hydra.run.dir=run"]
    shown = succeeded(train(tmp_path, *arguments, **ASCII))
    assert shown.isascii()
    assert r"corpus t\xe9:" in shown
    folder = tmp_path / "run"
    assert "corpus té:" in (folder / "train.log").read_text(encoding="utf-8")
    json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert "skipped" in succeeded(train(tmp_path, *arguments, **ASCII))
    assert "skipped" in succeeded(command("train", tmp_path, "resume=run", **ASCII))
    succeeded(command("evaluate", tmp_path, "run", **ASCII))
    assert "tokens.txt" in succeeded(command("export", tmp_path, "run", **ASCII))


@pytest.mark.parametrize("sweep", [[], ["-m"]])
@pytest.mark.parametrize(("folder", "environment"), [("sortie_é", ASCII), ("caf\udce9", {})])
def test_a_folder_that_python_cannot_decode_is_one_line(
    tmp_path: Path, folder: str, environment: dict[str, str], sweep: list[str]
) -> None:
    """TensorBoard could not write there; it would print a traceback."""
    done = command("train", tmp_path, *sweep, f"output_dir={folder}", **environment)
    assert (done.returncode, said(done).count("\n")) == (1, 1)
    assert said(done).startswith("error: ") and "PYTHONUTF8=1" in said(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_sweep_with_a_job_that_fails(tmp_path: Path, n_jobs: int) -> None:
    write_text(tmp_path / "text.txt")
    jobs = ["-m", f"hydra.launcher.n_jobs={n_jobs}", "corpus.name=té", "optimizer.lr=0.01,-1"]
    first, second = (train(tmp_path, *jobs, **ASCII) for _ in range(2))
    for done, other in ((first, "1 finished"), (second, "1 skipped")):
        assert done.returncode == 1
        assert "Traceback" not in said(done) and "Logging error" not in said(done)
        assert r"optimizer.lr=-1 \u2014 failed: optimizer.lr=-1.0 does not train" in said(done)
        assert f"sweep of 2 jobs: {other}, 1 failed" in said(done)
    (log,) = (path for path in tmp_path.rglob("train.log") if (path.parent / "results.json").exists())
    assert "corpus té:" in log.read_text(encoding="utf-8")
    assert r"optimizer.lr=0.01 \u2014 finished before, skipped" in said(second)


@pytest.mark.slow
def test_the_progress_bar_of_a_terminal(tmp_path: Path) -> None:
    write_text(tmp_path / "text.txt")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *TINY, "corpus.path=text.txt", "cache_dir=cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"} | ASCII,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0, shown
    assert b"training: 100%" in shown
    assert shown.isascii()
