"""What a sweep shows of its jobs, at a terminal and without one."""

import io
import json
import logging
import os
import pty
import re
import subprocess
import termios
from pathlib import Path

import pytest
from rich.console import Console

from embedlab.runs.folder import FolderInUseError
from embedlab.runs.progress_channel import Progress
from embedlab.sweep import watch
from embedlab.sweep.capacity import Needs
from embedlab.sweep.jobs import Job, JobError, name_jobs
from embedlab.sweep.watch import Watch, format_duration
from tests.commands import Command
from tests.conftest import ROOT

BREAKING = "+callbacks.breaking._target_=tests.sweep.breaking.Breaking"


def jobs(n: int, folder: Path = Path("nowhere")) -> list[Job]:
    points = [["position=scaled_sinusoidal", f"seed={seed}", f"optimizer.lr=0.001{seed}"] for seed in range(1, n + 1)]
    named = zip(name_jobs(points), points, strict=True)
    return [Job(i, name, point, folder / str(i), Needs()) for i, (name, point) in enumerate(named)]


def test_jobs_are_named_by_their_different_overrides() -> None:
    points = [["corpus=files", f"position={p}", f"seed={s}"] for p in ("none", "rotary") for s in (1, 2)]
    assert name_jobs(points)[2] == "job 3 of 4: position=rotary seed=1"
    assert name_jobs([["seed=1"]]) == ["job 1 of 1: seed=1"]
    assert name_jobs([["seed=4"]], before=3) == ["job 4 of 4: seed=4"]
    assert [format_duration(seconds) for seconds in (50, 700, 12_000)] == ["50 s", "12 min", "3.3 h"]


def shown(watching: Watch, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=24)
    watching.console = console
    console.print(watching.table())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80])
def test_each_running_job_is_one_line_however_narrow_the_terminal(width: int) -> None:
    watching = Watch(jobs(40))
    for index in range(2):
        watching.started(index)
    watching.progressed(0, Progress(1_200, 3_000, 2.3456, 75.0))
    watching.progressed(1, Progress(3_000, 3_000, 2.1, 0.0))
    lines = shown(watching, width)
    assert all(len(line) <= width for line in lines)
    assert re.fullmatch(r" job +step +loss +left *", lines[0])
    assert re.fullmatch(r" 1  seed=.* +1,200/3,000 +2\.346 +75 s *", lines[1])
    assert re.fullmatch(r" 2  seed=.* +3,000/3,000 +2\.100 +scoring *", lines[2])
    assert lines[3].strip() == "2 running, 38 waiting"
    assert len(lines) == 4


def test_more_jobs_than_the_terminal_has_lines() -> None:
    watching = Watch(jobs(40))
    for index in range(40):
        watching.started(index)
    lines = shown(watching, 80)
    assert len(lines) <= 23
    assert lines[-2].strip() == "… and 21 more" and lines[-1].strip() == "40 running"


def test_ends_are_lines_with_the_time_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(watch.time, "monotonic", lambda: now)
    watching = Watch(jobs(4, tmp_path))
    assert watching.seconds_left() is None
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "results.json").write_text(json.dumps({"train_seconds": 12.3, "test": {"bits_per_byte": 2.7512}}))
    for index in range(3):
        watching.started(index)
    watching.progressed(2, Progress(120, 600, 3.0, 20.0))
    with caplog.at_level(logging.INFO, "embedlab"):
        now = 150.0
        watching.ended(0, None)
        watching.ended(1, JobError("its process was killed by signal 9"))
        watching.tick()
        watching.ended(3, FolderInUseError("other"))
        watching.ended(2, None)
    assert [record.getMessage() for record in caplog.records] == [
        f"{watching.jobs[0]} — test 2.751 bits/byte, trained in 12 s, about 2 min left",
        f"error: {watching.jobs[1]} — its process was killed by signal 9",
        "1 running (job 3 at step 120 of 600), 1 finished, 1 failed, 1 waiting, about 41 s left",
        f"{watching.jobs[2]} — finished",
    ]


@pytest.mark.slow
def test_lines_above_the_table_of_a_real_terminal_stay_whole(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAK", "2:raise")
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    arguments = command("-m", "seed=1,2", "trainer.max_steps=40", "hydra.launcher.n_jobs=1", BREAKING)
    with subprocess.Popen(arguments, cwd=ROOT, stdout=theirs, stderr=theirs, stdin=theirs) as started:
        os.close(theirs)
        output = b""
        try:
            while read := os.read(ours, 4096):
                output += read
        except OSError:  # Linux's way to say that the other end is closed
            os.close(ours)
    assert started.returncode == 1
    assert re.search(r"\d/40 ", output.decode()), "no table"
    screen = screen_after(output.decode())
    assert re.match(r"job 1 of 2: seed=1 — test \d\.\d{3} bits/byte, trained in \d+ s, about \d+ s left", screen[0])
    assert screen[1].startswith("error: job 2 of 2: seed=2 — RuntimeError: broken on purpose (")
    assert screen[2].startswith("job 2 of 2: seed=2 — failed: RuntimeError: broken on purpose")
    assert not [line for line in screen if re.search(r"running|waiting|\d/40", line)], "the table was not erased"
    assert output.count(b"\x1b[?25l") == output.count(b"\x1b[?25h"), "the cursor stays hidden"


def screen_after(output: str) -> list[str]:
    """Return the lines that a terminal shows in the end; it knows only what rich writes, and lines do not wrap."""
    lines, row, column = [""], 0, 0
    control = r"\r|\n|\x1b\[2K|\x1b\[(\d*)A|\x1b\[[^A-Za-z]*[A-Za-z]"
    for command, up, text in re.findall(rf"({control})|([^\r\n\x1b]+)", output):
        if command == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "\r":
            column = 0
        elif command == "\x1b[2K":
            lines[row] = ""
        elif command.endswith("A"):
            row = max(0, row - int(up or 1))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines]
