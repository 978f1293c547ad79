"""Find the checkpoint that a run's scores belong to."""

import json
from pathlib import Path

import pytest

from embedlab.config.errors import UserError
from embedlab.runs.weights import about_checkpoint, find_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with two checkpoints, neither of them named in results.json."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for name in ("best.ckpt", "mine.ckpt"):
        (tmp_path / "run" / "checkpoints" / name).write_bytes(name.encode())
    return tmp_path / "run"


def name(folder: Path, checkpoint: Path) -> None:
    (folder / "results.json").write_text(
        json.dumps(dict(zip(("checkpoint", "checkpoint_sha256"), about_checkpoint(checkpoint, folder), strict=True)))
    )


def test_the_checkpoint_that_results_name_even_after_a_move(folder: Path) -> None:
    name(folder, folder / "checkpoints" / "mine.ckpt")
    moved = folder.rename(folder.with_name("moved"))
    assert find_checkpoint(moved) == moved / "checkpoints" / "mine.ckpt"
    (moved / "checkpoints" / "mine.ckpt").unlink()
    with pytest.raises(UserError, match=r"mine\.ckpt is missing, and the scores of \S+moved are of its weights"):
        find_checkpoint(moved)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"checkpoint": null}', '{"checkpoint": 3}', "7"])
def test_best_if_none_is_named(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "results.json").write_text(content)
    assert find_checkpoint(folder).name == "best.ckpt"


def test_a_checkpoint_elsewhere_must_be_unchanged(folder: Path) -> None:
    shared = folder.with_name("shared.ckpt")
    shared.write_bytes(b"weights of this run")
    name(folder, shared)
    assert find_checkpoint(folder) == shared
    shared.write_bytes(b"weights of another")
    with pytest.raises(UserError, match=r"shared\.ckpt was overwritten since .*: give every run a callbacks"):
        find_checkpoint(folder)


def test_the_best_of_other_names_is_unknown_before_the_run_finishes(folder: Path) -> None:
    (folder / "checkpoints" / "best.ckpt").unlink()
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"")
    with pytest.raises(UserError, match=r"holds mine\.ckpt, but the best is known only when the run has finished"):
        find_checkpoint(folder)
    (folder / "results.json").write_text("{}")  # of 0.2.0, which scored the last weights in this case
    assert find_checkpoint(folder).name == "last.ckpt"
