"""The command as users run it: files, exit statuses, messages, and no heavy imports."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedlab.compare.__main__ import FINE, PARTLY, USAGE, main
from tests.compare import synthetic


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.sweep(tmp_path_factory.mktemp("sweep"), ["none", "rotary", "learned"], seeds=3)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_all_outputs_show_the_same_numbers(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()}
    assert main([str(sweep), "--output", str(tmp_path / "out")]) == FINE
    assert {path: path.read_bytes() for path in sweep.rglob("*") if path.is_file()} == before  # no run is changed
    out = tmp_path / "out"
    whole = json.loads((out / "comparison.json").read_text())
    sheet = rows_of(out / "comparison.csv")
    assert (
        [row["setting"] for row in sheet] == [row["setting"] for row in whole["rows"]] == ["rotary", "learned", "none"]
    )
    for row, line in zip(whole["rows"], sheet, strict=True):
        assert float(line["mean"]) == row["mean"]
        assert row["mean"] == pytest.approx(sum(row["values"].values()) / 3)
    shown = capsys.readouterr().out
    draft = (out / "comparison.md").read_text()
    page = (out / "report.html").read_text()
    for text in (shown, draft, page):
        assert f"{whole['rows'][0]['mean']:.3f}" in text
    assert "rotary has the lowest test.bits_per_byte" in shown
    assert {path.name for path in (out / "figures").iterdir()} == set(whole["figures"])
    assert {"ranking.png", "ranking.svg", "validation.svg", "order.png"} <= set(whole["figures"])


def test_the_same_runs_give_the_same_bytes_and_no_outdated_figures(sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [str(sweep), "--output", str(out)]
    main(command)
    first = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
    synthetic.sweep(tmp_path / "dims", ["none"], dim=32)
    synthetic.sweep(tmp_path / "dims", ["none"], dim=64)
    main([str(tmp_path / "dims"), "--output", str(out)])
    assert (out / "figures" / "sweep_model_embedding_dim.svg").exists()
    main(command)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")} == first


def test_default_output_folder(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = synthetic.sweep(tmp_path / "runs", ["none"], seeds=1)
    assert main([str(runs)]) == FINE
    assert (runs / "comparison" / "report.html").exists()
    assert main([str(runs)]) == FINE  # its own output is not a run
    one = synthetic.write(tmp_path / "single")
    assert main([str(one)]) == FINE
    assert (tmp_path / "comparison" / "report.html").exists()
    assert not (one / "comparison").exists()


def test_output_never_overwrites_a_run_or_other_files(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = synthetic.write(tmp_path / "run")
    assert main([str(sweep), "--output", str(run)]) == USAGE
    assert "is a run's folder" in capsys.readouterr().err
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "report.html").write_text("mine")
    assert main([str(sweep), "--output", str(tmp_path / "docs")]) == USAGE
    assert (tmp_path / "docs" / "report.html").read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert main([str(sweep), "--output", str(tmp_path / "file")]) == USAGE


def test_a_user_s_figure_is_never_overwritten(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(sweep), "--output", str(tmp_path / "first")]) == FINE
    figure = sorted(path.name for path in (tmp_path / "first" / "figures").iterdir())[0]
    for name in ("theirs", "link"):
        (tmp_path / name / "figures").mkdir(parents=True)
    theirs = tmp_path / "theirs" / "figures" / figure
    theirs.write_text("drawn by hand")
    (tmp_path / "link" / "figures" / figure).symlink_to(tmp_path / "nowhere")
    capsys.readouterr()
    for name in ("theirs", "link"):
        assert main([str(sweep), "--output", str(tmp_path / name)]) == USAGE
        assert f"contains a figures/{figure} that no comparison wrote: give another folder" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / name).rglob("*")] == ["figures", figure]
    assert theirs.read_text() == "drawn by hand"
    assert not (tmp_path / "nowhere").exists()


def test_a_comparison_killed_while_writing_can_be_rerun(sweep: Path, tmp_path: Path) -> None:
    """comparison.json is written first: without it the other files would count as the user's."""
    assert main([str(sweep), "--output", str(tmp_path)]) == FINE
    for name in ("comparison.csv", "comparison.md", "report.html"):
        (tmp_path / name).unlink()
    assert main([str(sweep), "--output", str(tmp_path)]) == FINE
    assert (tmp_path / "report.html").is_file()


def test_exit_status_if_something_is_excluded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = synthetic.sweep(tmp_path / "sweep", ["none", "rotary"])
    broken = sweep / "position=none,seed=1" / "results.json"
    (broken.parent / "x").mkdir()
    (broken.parent / "x" / "results.json").write_text("{")
    (sweep / "still" / ".hydra").mkdir(parents=True)
    assert main([str(sweep)]) == PARTLY
    message = capsys.readouterr().err
    assert "excluded (unreadable)" in message
    assert "excluded (unfinished)" in message
    assert {
        item["kind"] for item in json.loads((sweep / "comparison" / "comparison.json").read_text())["left_out"]
    } == {
        "unreadable",
        "unfinished",
    }
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == PARTLY
    assert "no finished run" in capsys.readouterr().err


def test_refused_rankings_are_reported_and_set_the_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.sweep(tmp_path, ["none", "rotary"], seeds=2)
    synthetic.sweep(tmp_path / "bytes", ["none", "rotary"], seeds=2, tokenizer__name="bytes")
    assert main([str(tmp_path), "--metric", "test.loss"]) == PARTLY
    assert "nats per token do not compare" in capsys.readouterr().out
    assert main([str(tmp_path)]) == FINE
    assert main([str(tmp_path), "--metric", "test.loss", "--where", "tokenizer.name=bytes"]) == FINE


@pytest.mark.parametrize(
    "options",
    [
        ["--metric", "nothing"],
        ["--by", "nothing"],
        ["--where", "nothing=1"],
        ["--where", "position=x"],
        ["--baseline", "x"],
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    sweep: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(sweep), *options]) == USAGE
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert options[0] in message


def test_names_with_special_characters_stay_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = ["[red]x[/red]", "<script>alert(1)</script>", "a|b`c*", "=1+1", "_under", "$x^2$", "位置", "x" * 200]
    for scheme in odd:
        found = synthetic.results("none", 1)
        found["position"] = found["config"]["position"]["name"] = scheme
        synthetic.write(tmp_path / f"run{odd.index(scheme)}", found)
    assert main([str(tmp_path), "--by", "position"]) == FINE
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    page = (tmp_path / "comparison" / "report.html").read_text()
    assert page.count("<script") == 1  # the page's own, which isolates a series
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    sheet = rows_of(tmp_path / "comparison" / "comparison.csv")
    assert "'=1+1" in {row["position"] for row in sheet}
    assert r"a\|b\`c\*" in (tmp_path / "comparison" / "comparison.md").read_text()


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    top = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    sweep = synthetic.sweep(Path(os.fsdecode(top)), ["none", "rotary"], seeds=1)
    broken = synthetic.results("rotary", 2)
    broken["test"] = {}
    synthetic.write(sweep / "odd", broken)
    command = [sys.executable, "-m", "embedlab.compare", os.fsdecode(top)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (PARTLY, False)
    assert (sweep / "comparison" / "report.html").exists()


def test_the_command_never_imports_torch(sweep: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from embedlab.compare.__main__ import main
status = main([{str(sweep)!r}, "--output", {str(tmp_path / "out")!r}])
heavy = {{"torch", "lightning", "hydra", "scipy.stats", "matplotlib.pyplot"}}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (FINE, "[]\n")


def test_help_has_examples_and_exit_statuses() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "embedlab.compare", "--help"], capture_output=True, text=True, check=True
    )
    for word in ("examples:", "--baseline rotary", "exit status", "outputs/sweeps/positions"):
        assert word in done.stdout
    empty = subprocess.run([sys.executable, "-m", "embedlab.compare"], capture_output=True, text=True, check=False)
    assert empty.returncode == USAGE


def test_a_closed_pipe_is_no_failure(sweep: Path, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m embedlab.compare '{sweep}' --output '{tmp_path / 'out'}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
