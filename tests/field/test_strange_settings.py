"""Settings that people really used, and what they get: a run, or one line with a remedy."""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from embedlab import evaluate, export
from embedlab.compare.__main__ import main as compare
from embedlab.config.arguments import arrange
from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.data.corpus import Corpus
from tests.compare.synthetic import results, write
from tests.conftest import ROOT
from tests.field.forked import train_py
from tests.field.shell import TINY, said, write_text
from tests.field.test_looking import strict

REFUSED = [
    (["seed=4294967296"], "seed=4294967296 is too large: give at most 4294967295"),
    (["trainer.max_steps=-1"], "trainer.max_steps=-1 never ends: give trainer.max_steps=N"),
    (["trainer.max_steps=null"], "trainer.max_steps=null must be a whole number"),
    (["trainer.max_steps=2.5"], "trainer.max_steps=2.5 must be a whole number"),
    (["+trainer.limit_train_batches=0"], "trainer.limit_train_batches=0 trains on nothing"),
    (["+trainer.limit_train_batches=0.0"], "trainer.limit_train_batches=0.0 trains on nothing"),
    (["optimizer.lr=nan"], "optimizer.lr=nan is not finite"),
    (["optimizer.weight_decay=inf"], "optimizer.weight_decay=inf is not finite"),
    (["data.num_workers=100000"], "data.num_workers=100000 is too large"),
    (["threads=1000000"], "threads=1000000 is too large"),
    (["model.embedding_dim=1000000000", "model.n_heads=1"], "more than any machine holds"),
    (["corpus.path='~nobody-here/x.txt'"], "corpus.path=~nobody-here/x.txt names an unknown home folder"),
    (["callbacks.texts.temperature=-1"], "callbacks.texts.temperature=-1 is too small"),
    (["+callbacks.x._target_=builtins.dict"], "callbacks.x is a dict, which is not a callback of Lightning"),
    (
        ["+callbacks.x._target_=lightning.pytorch.callbacks.Timer", "+callbacks.x.duration=3"],
        "callbacks.x cannot be made",
    ),
    (["run_dir=elsewhere"], "run_dir=elsewhere is set by Hydra: give hydra.run.dir=elsewhere"),
    (["--seed=1"], "--seed=1 is no option: write seed=1"),
    (["model=3"], "a group's choice must be a name"),
    (["model='${'"], "the settings do not compose"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "expected"), REFUSED, ids=[" ".join(o) for o, _ in REFUSED])
def test_one_line(field: list[str], tmp_path: Path, overrides: list[str], expected: str) -> None:
    ended = train_py([*field, *overrides], tmp_path)
    assert ended.status == 1, ended.said
    (line,) = (line for line in ended.said.splitlines() if line.startswith("error: "))
    assert expected in line
    assert "Traceback" not in ended.said and "usage:" not in ended.said
    assert not list(tmp_path.rglob("results.json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "cautions"),
    [
        (["trainer.max_steps=-1", "+trainer.max_time=00:00:00:02"], ["trainer.max_time=00:00:00:02 may end"]),
        (["trainer.max_steps=-1", "trainer.max_epochs=1"], []),
        (["trainer.max_steps=0"], ["trainer.max_steps=0: nothing was trained", "the scores are of the last weights"]),
        (["trainer.log_every_n_steps=0"], []),
        (
            ["trainer.limit_val_batches=0"],
            ["trainer.limit_val_batches=0 chooses", "the scores are of the last weights"],
        ),
    ],
)
def test_it_works(field: list[str], tmp_path: Path, overrides: list[str], cautions: list[str]) -> None:
    ended = train_py([*field, *overrides, "hydra.run.dir=run"], tmp_path)
    assert ended.status == 0, ended.said
    found = strict(tmp_path / "run" / "results.json")
    assert found["test"]["loss"] > 0
    assert len(found["cautions"]) == len(cautions)
    assert all(text.startswith(start) for text, start in zip(found["cautions"], cautions, strict=True)), found


@pytest.mark.slow
def test_the_schedule_follows_the_time_if_only_that_ends_the_training(field: list[str], tmp_path: Path) -> None:
    ended = train_py([*field, "trainer.max_steps=-1", "+trainer.max_time=00:00:00:02", "hydra.run.dir=run"], tmp_path)
    assert ended.status == 0, ended.said
    rows = [line.split(",") for line in (tmp_path / "run" / "metrics.csv").read_text().splitlines()]
    column = rows[0].index("train/learning_rate")
    rates = [float(row[column]) for row in rows[1:] if row[column]]
    highest = max(rates)
    assert highest == pytest.approx(0.002, rel=0.05)
    assert 0.1 < rates.index(highest) / len(rates) + 0.1 < 0.7, "the rate must rise first"
    assert rates[-1] == pytest.approx(0.1 * highest, rel=0.5), "down to min_lr_ratio at the end"


def test_options_may_follow_overrides() -> None:
    assert arrange(["seed=1", "-m", "position=none,alibi"]) == ["-m", "seed=1", "position=none,alibi"]
    assert arrange(["seed=1", "--cfg", "job", "~logger.csv"]) == ["--cfg", "job", "seed=1", "~logger.csv"]
    with pytest.raises(UserError, match="--sed is no option"):
        arrange(["--sed"])


@pytest.mark.slow
def test_a_sweep_with_m_between_the_overrides(field: list[str], tmp_path: Path) -> None:
    ended = train_py(["seed=1", *field, "-m", "position=none,alibi"], tmp_path)
    assert ended.status == 0, ended.said
    assert "sweep of 2 jobs: 2 finished" in ended.said


def test_a_null_text(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "abc"}\n{"text": null}\n')
    with pytest.raises(UserError, match=r"corpus\.field=text is null in .*x\.jsonl line 2: remove the line"):
        list(Corpus("x", [path]).documents())


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does if no home folder is known
    with pytest.raises(UserError, match=r"cache_dir=~/\.cache/embedlab names an unknown home folder: give cache_dir="):
        expand_user("~/.cache/embedlab", "cache_dir")


def test_a_user_without_home_and_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a user id of its own: Python asks HOME, then the password database."""
    monkeypatch.delenv("HOME", raising=False)
    assert expand_user("~/x", "cache_dir") == f"{pwd.getpwuid(os.getuid()).pw_dir}/x"
    monkeypatch.setattr("os.getuid", lambda: 2**30 + 7)
    with pytest.raises(KeyError):
        pwd.getpwuid(os.getuid())
    with pytest.raises(UserError, match=r"cache_dir=~/x names an unknown home folder: give cache_dir=PATH in full"):
        expand_user("~/x", "cache_dir")


@pytest.mark.slow
@pytest.mark.parametrize("home", [{}, {"HOME": ""}], ids=["unset", "empty"])
def test_a_command_without_home(tmp_path: Path, home: dict[str, str]) -> None:
    """`env -i python train.py …`: the account's home folder; `HOME= python train.py …`: none, not the system's root."""
    write_text(tmp_path / "text.txt")
    arguments = [*TINY, "corpus.path=text.txt", "--cfg", "job"] if not home else [*TINY, "corpus.path=text.txt"]
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **home}
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments], cwd=tmp_path, env=known, capture_output=True, text=True
    )
    assert "Traceback" not in said(done)
    if not home:
        assert done.returncode == 0, said(done)
        return
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cache_dir=~/.cache/embedlab names an unknown home folder: give cache_dir=PATH")
    assert not list(tmp_path.rglob("outputs/*/*/*/*"))


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (evaluate.main, ["~nobody-here/run"]),
        (export.main, ["~nobody-here/run"]),
        (export.main, [".", "--to", "~nobody-here/x.txt"]),
        (compare, ["~nobody-here/runs"]),
        (compare, ["runs", "--output", "~nobody-here/x"]),
    ],
)
def test_an_unknown_home_in_another_command(
    main: Callable[[list[str]], int | None],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "runs" / "one", results("none"))
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    assert status not in (0, None)
    assert "names an unknown home folder: give" in f"{status}{printed.out}{printed.err}"
