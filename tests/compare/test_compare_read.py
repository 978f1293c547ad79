"""Folders with any content: runs are read, everything else is listed with a reason, nothing is raised."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedlab.compare import fairness, outputs, reading
from embedlab.compare.charts.all_charts import charts, style_of
from embedlab.compare.comparison import Comparison, compare
from embedlab.compare.finished_run import clean, number
from embedlab.config.errors import UserError
from tests.compare import synthetic


def kinds(*folders: Path) -> tuple[int, list[str]]:
    runs, excluded = reading.read([str(folder) for folder in folders])
    return len(runs), sorted(item.kind for item in excluded)


def test_runs_at_any_depth_are_read_once(tmp_path: Path) -> None:
    synthetic.sweep(tmp_path / "sweeps" / "positions", ["none", "rotary"], seeds=2)
    one = synthetic.write(tmp_path / "runs" / "2026-01-01" / "12-00")
    assert kinds(tmp_path) == (5, [])
    assert kinds(tmp_path, tmp_path, one, one / "results.json", tmp_path / "runs") == (5, [])


@pytest.mark.parametrize(
    ("content", "kind", "word"),
    [
        ("", "unreadable", "broken JSON"),
        ('{"schema": 1, "seed": 4', "unreadable", "broken JSON"),
        ("[" * 100_000, "unreadable", "broken JSON"),
        ("[]", "foreign", "not an object"),
        ("null", "foreign", "not an object"),
        ("{}", "foreign", "seed"),
        ('{"seed": "42", "config": {}}', "foreign", "seed"),
        ('{"seed": true, "config": {}}', "foreign", "seed"),
        ('{"seed": 1e999, "config": {}}', "foreign", "seed"),
        ('{"seed": 1' + "0" * 40 + ', "config": {}}', "foreign", "seed"),
        ('{"seed": 1' + "0" * 9999 + "}", "unreadable", "broken JSON"),
        ('{"seed": 1, "config": []}', "foreign", "config"),
        ('{"seed": 1, "config": {}, "position": {}}', "foreign", "position"),
        ('{"schema": 0, "seed": 1, "config": {}, "versions": {"embedlab": "0.0.1"}}', "version", "schema 0"),
        ('{"schema": {"a": 1}, "versions": 7}', "version", "schema"),
        ('{"error": "out of memory"}', "failed", "out of memory"),
    ],
)
def test_broken_foreign_old_and_failed_runs_are_excluded(tmp_path: Path, content: str, kind: str, word: str) -> None:
    folder = synthetic.write(tmp_path / "run")
    (folder / "results.json").write_text(content)
    runs, excluded = reading.read([str(tmp_path)])
    assert runs == []
    assert [item.kind for item in excluded] == [kind]
    assert word in excluded[0].reason
    assert excluded[0].path.endswith("run")


def test_bytes_links_pipes_and_missing_folders(tmp_path: Path) -> None:
    good = synthetic.write(tmp_path / "good")
    (good / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(good)
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "results.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "results.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "unfinished" / ".hydra").mkdir(parents=True)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "results.json")
    assert kinds(tmp_path) == (1, ["unfinished", "unreadable", "unreadable", "unreadable"])
    assert kinds(tmp_path / "nowhere") == (0, ["missing"])
    (tmp_path / "empty").mkdir()
    assert kinds(tmp_path / "empty") == (0, ["missing"])


def test_folders_without_permission_are_excluded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.write(tmp_path / "good")
    closed = synthetic.write(tmp_path / "closed")
    listing = os.scandir

    def scandir(path: Any) -> Any:  # root may read everything, so the refusal is simulated
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert kinds(tmp_path) == (1, ["unreadable"])


def test_links_are_followed_and_each_run_is_read_once(tmp_path: Path) -> None:
    elsewhere = synthetic.write(tmp_path / "disk" / "run")
    outputs = tmp_path / "outputs"
    synthetic.write(outputs / "own")
    (outputs / "linked").symlink_to(elsewhere)
    (outputs / "linked again").symlink_to(elsewhere)
    (outputs / "loop").symlink_to(outputs)
    (outputs / "only its results").mkdir()
    (outputs / "only its results" / "results.json").symlink_to(elsewhere / "results.json")
    assert kinds(outputs) == (2, [])
    assert kinds(tmp_path) == (2, [])


def test_broken_links_are_listed(tmp_path: Path) -> None:
    run = synthetic.write(tmp_path / "run")
    (tmp_path / "other disk").symlink_to("/mnt/not mounted")
    (run / "wandb").mkdir()
    (run / "wandb" / "latest-run").symlink_to("gone")  # a logger's link: there are no runs behind it
    runs, excluded = reading.read([str(tmp_path)])
    assert len(runs) == 1
    assert [(item.kind, Path(item.path).name) for item in excluded] == [("missing", "other disk")]
    assert excluded[0].reason == "is a link to /mnt/not mounted, which does not exist"


def test_text_from_runs_is_cleaned() -> None:
    assert clean("a\x1b[31m\ud800\nb") == "a�[31m� b"
    assert clean("x" * 999).endswith("x…")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, 1e99, "2", None, True, [], {}])
def test_values_that_are_not_numbers(value: object) -> None:
    assert number(value) is None
    assert number(2) == 2.0


def test_history_skips_cells_that_are_not_numbers(tmp_path: Path) -> None:
    folder = synthetic.write(tmp_path / "run")
    (run,), _ = reading.read([str(folder)])
    assert [step for step, _ in run.history("val/loss")] == [25 * at for at in range(1, 9)]
    (folder / "metrics.csv").write_bytes(b"step,val/loss\n1,nan\n2,3.5\n2,3.25\nx,1\n,,,,\n\xff\n5\n")
    assert run.history("val/loss") == [(2.0, 3.25)]
    (folder / "metrics.csv").write_bytes(b"a\x00b")
    assert run.history("val/loss") == []
    (folder / "metrics.csv").unlink()
    assert run.history("val/loss") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def with_one_value_replaced(data: st.DataObject) -> dict[str, Any]:
    """Return a valid results.json with one value, anywhere, replaced by any JSON."""
    found = synthetic.results("rotary", 1, lens=True)
    node: Any = found
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        deeper = isinstance(node[key], dict | list) and node[key]
        if not deeper or data.draw(st.booleans()):
            node[key] = data.draw(JSON)
            return found
        node = node[key]


def compared_with(folder: Path, found: dict[str, Any]) -> Comparison | None:
    """Compare two valid runs with this one and write the files; None if nothing can be compared."""
    synthetic.write(folder / "valid", synthetic.results("none", 1))
    synthetic.write(folder / "other", synthetic.results("rotary", 2))
    synthetic.write(folder / "odd", synthetic.results("rotary", 1))
    (folder / "odd" / "results.json").write_text(json.dumps(found))
    runs, excluded = reading.read([str(folder)])
    assert len(runs) + len(excluded) == 3
    try:
        comparison = compare(runs, excluded)
    except UserError:
        return None
    comparison.notes = fairness.find_unequal_treatment(comparison)
    outputs.prepare_folder(folder / "comparison")
    outputs.write_tables(comparison, folder / "comparison", fairness.refusals(comparison), [])
    return comparison


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_value_anywhere_is_read_or_excluded(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    compared_with(tmp_path_factory.mktemp("junk"), with_one_value_replaced(data))


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(st.data())
def test_any_value_anywhere_is_drawn(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    comparison = compared_with(tmp_path_factory.mktemp("junk"), with_one_value_replaced(data))
    for group in comparison.groups if comparison else ():
        assert list(charts(comparison, group, style_of(comparison)))


def test_a_failed_run_is_listed_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "job" / ".hydra").mkdir(parents=True)
    (tmp_path / "job" / "error.txt").write_text("Traceback …\n  File …\nRuntimeError: no \x1b[31mluck\n\n")
    (excluded,) = reading.read([str(tmp_path)])[1]
    assert (excluded.kind, excluded.reason) == ("failed", "failed: RuntimeError: no \ufffd[31mluck")
    (tmp_path / "job" / "error.txt").write_bytes(b"")
    (excluded,) = reading.read([str(tmp_path)])[1]
    assert excluded.kind == "unfinished"
