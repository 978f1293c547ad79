"""A command in a folder with somebody else's files leaves them unchanged, whether it succeeds or not."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from embedlab import cli
from embedlab.config.errors import UserError
from embedlab.training.resume.history import MetricsWriter
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def refusal(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return refusal("hydra.run.dir=.", …), which runs `train.py` in this process and returns its error line."""

    def refusal(*overrides: str) -> str:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["train.py", *sorted([*tiny, *overrides], key=lambda one: one != "-m")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = str(ended.value.code)  # Python prints a text on stderr and ends with exit status 1
        assert said.startswith("error: ") and "\n" not in said, said
        return said

    return refusal


def files(folder: Path) -> dict[str, bytes | None]:
    """Return the content of each file below the folder, None for a folder; links are not followed."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def put_somebodys_files(folder: Path) -> None:
    for name in ("checkpoints/mine.pt", "tensorboard/events.out.tfevents.1700000000.host.7.0", "metrics.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}, step\n1,2\n")


def test_a_run_in_somebodys_folder_is_refused_before_anything_is_written(tiny: list[str], here: Path) -> None:
    put_somebodys_files(here)
    before = files(here)
    command = [sys.executable, str(ROOT / "train.py"), *tiny, "hydra.run.dir=."]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: . holds files that no run of embedlab wrote (checkpoints, metrics.csv, tensorboard): "
        "give a new or an empty folder, as hydra.run.dir=FOLDER, or sweep_name=NAME for a sweep\n"
    )
    assert files(here) == before


@pytest.mark.parametrize("name", [".hydra/hydra.yaml", "results.json", "train.log", "error.txt", ".lock", ".embedlab"])
def test_one_file_of_another_program_is_enough(here: Path, refusal: Callable[..., str], name: str) -> None:
    """Names that a run uses prove nothing: another Hydra program may have written them."""
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_text("{}")
    before = files(here)
    assert name.split("/")[0] in refusal("hydra.run.dir=.")
    assert files(here) == before


def test_a_link_leads_to_somebodys_files(here: Path, tmp_path: Path, refusal: Callable[..., str]) -> None:
    put_somebodys_files(tmp_path / "theirs")
    before = files(tmp_path / "theirs")
    (here / "link").symlink_to(tmp_path / "theirs")
    (here / "broken").symlink_to(tmp_path / "nowhere")
    (here / "file").write_text("a file")
    assert "link holds files that no run of embedlab wrote" in refusal("hydra.run.dir=link")
    assert "hydra.run.dir=broken cannot be written" in refusal("hydra.run.dir=broken")
    assert "hydra.run.dir=file cannot be written" in refusal("hydra.run.dir=file")
    assert "output_dir=file cannot be written" in refusal("output_dir=file")
    assert files(tmp_path / "theirs") == before
    assert (here / "file").read_text() == "a file"
    assert not (tmp_path / "nowhere").exists()


def test_a_mistake_removes_only_folders_that_the_command_made(here: Path, refusal: Callable[..., str]) -> None:
    (here / "a" / "b").mkdir(parents=True)
    (here / "outputs" / "runs").mkdir(parents=True)
    for place in ("hydra.run.dir=a/b", "hydra.run.dir=a/new/er", "output_dir=outputs"):
        assert "does not exist" in refusal("corpus.path=/nope", place)
        assert sorted(files(here)) == ["a", "a/b", "outputs", "outputs/runs"], place
    assert "does not exist" in refusal("corpus.path=/nope", "output_dir=other")
    assert not (here / "other").exists()
    os.chdir("a/b")
    assert "does not exist" in refusal("corpus.path=/nope", "hydra.run.dir=.")
    assert sorted(files(here)) == ["a", "a/b", "outputs", "outputs/runs"]


FOREIGN_CHECKPOINT = {"state_dict": {"model.tokens.weight": torch.zeros(3)}, "pytorch-lightning_version": "2.6.6"}


@pytest.mark.parametrize("filename", ["best", "best-{step}"])
def test_best_weights_elsewhere_overwrite_only_those_of_runs(
    here: Path, tiny: list[str], refusal: Callable[..., str], filename: str
) -> None:
    """A filename with the step is known at the first validation only."""
    kept = here / "kept"
    kept.mkdir()
    names = ("best.ckpt", "best-step=4.ckpt")
    for name in names:
        torch.save(FOREIGN_CHECKPOINT, kept / name)
    (kept / ".best.ckpt.1").write_text("not a part of a checkpoint of ours")
    before = files(kept)
    best = ["callbacks.best.dirpath=kept", f"callbacks.best.filename='{filename}'", "trainer.max_steps=4"]
    line = refusal(*best, "hydra.run.dir=run")
    assert f"{kept / names[filename != 'best']} was not written by a run of embedlab" in line
    assert files(kept) == before
    for name in names:
        (kept / name).unlink()
    for folder in ("one", "two"):  # the second overwrites the first one's
        command = [sys.executable, str(ROOT / "train.py"), *tiny, *best, f"hydra.run.dir={folder}"]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (kept / names[filename != "best"]).is_file()
    assert (kept / ".best.ckpt.1").exists()


def test_the_best_weights_never_overwrite_the_last(refusal: Callable[..., str]) -> None:
    assert "callbacks.best cannot be made: save_last would overwrite last.ckpt" in refusal(
        "+callbacks.best.save_last=true"
    )


def test_a_sweep_overwrites_nobodys_multirun_yaml(here: Path, refusal: Callable[..., str]) -> None:
    (here / "multirun.yaml").write_text("of: another program\n")
    assert "multirun.yaml belongs to another program" in refusal("-m", "seed=1,2", "hydra.sweep.dir=.")
    assert files(here) == {"multirun.yaml": b"of: another program\n"}


def test_a_sweeps_job_in_somebodys_folder_fails_alone(tiny: list[str], here: Path, tmp_path: Path) -> None:
    put_somebodys_files(here / "seed=1")
    before = files(here)
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        "-m",
        *tiny,
        "seed=1,2",
        "hydra.sweep.dir=.",
        "trainer.max_steps=4",
    ]
    done = subprocess.run([*command, "hydra.sweep.subdir='seed=${seed}'"], cwd=here, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "1 finished, 1 failed" in done.stdout + done.stderr
    assert "no run of embedlab wrote (checkpoints, metrics.csv, tensorboard)" in done.stdout + done.stderr
    after = files(here)
    assert {name: after[name] for name in before} == before
    assert {name for name in after if name.startswith("seed=1")} == set(before)
    assert (here / "seed=2" / "results.json").is_file()


def test_a_cache_beside_somebodys_files(here: Path, refusal: Callable[..., str]) -> None:
    (here / "cache").mkdir()
    (here / "cache" / "tokens").write_text("mine")
    said = refusal("cache_dir=cache", "corpus.val_fraction=0.2")
    assert "cannot be written" in said and "cache_dir" in said
    assert files(here) == {"cache": None, "cache/tokens": b"mine"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(here: Path, refusal: Callable[..., str]) -> None:
    here.chmod(0o500)
    try:
        assert "cannot be written (Permission denied)" in refusal("hydra.run.dir=new")
    finally:
        here.chmod(0o700)


def test_somebodys_metrics_where_a_logger_is_sent_stay_as_they_were(tmp_path: Path) -> None:
    (mine := tmp_path / "mine").mkdir()
    (mine / "metrics.csv").write_text("a,b\n1,2\n3")
    with pytest.raises(UserError, match=r"metrics\.csv is there already, and no run of embedlab wrote it"):
        MetricsWriter(str(mine))
    assert (mine / "metrics.csv").read_text() == "a,b\n1,2\n3"
    writer = MetricsWriter(str(tmp_path / "new"))
    writer.log_metrics({"loss": 1.0}, 0)
    writer.save()
    again = MetricsWriter(str(tmp_path / "new"))  # resumed
    assert again.metrics_keys == ["loss", "step"]
