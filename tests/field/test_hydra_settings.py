"""Hydra's own settings and resolvers, wherever people use them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from embedlab.config.tree import Config
from embedlab.runs.folder import LONGEST_NAME, fit_subdir
from embedlab.runs.read_config import read_config
from embedlab.runs.record_config import JOBS_OWN, computed_values, record_config
from tests.field.shell import command, said, succeeded, train, write_text


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a folder with a text."""
    write_text(tmp_path / "text.txt")
    return tmp_path


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def all_strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for item in node.values() for text in all_strings(item)]
    if isinstance(node, list):
        return [text for item in node for text in all_strings(item)]
    return [node] if isinstance(node, str) else []


def test_what_a_resolver_computes_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS", "mine")
    cfg = OmegaConf.create(
        {
            "corpus": {"name": "${oc.env:CORPUS}", "tags": ["${oc.env:CORPUS}", "b"]},
            "data": {"context_length": 4, "stride": "${.context_length}"},
            "output_dir": "o",
            "run_dir": "${oc.env:CORPUS}",
            "logger": {"csv": {"save_dir": "${run_dir}"}},
        }
    )
    assert computed_values(cfg) == {"corpus.name": "mine", "corpus.tags": ["mine", "b"]}
    assert computed_values(cfg, JOBS_OWN) == {}  # the same for every job and at every time
    record_config(tmp_path, cfg, ["corpus=files"], computed_values(cfg) | {"output_dir": "/o"})
    assert OmegaConf.load(tmp_path / ".hydra" / "overrides.yaml") == [
        "corpus=files",
        "corpus.name='mine'",
        "corpus.tags=['mine','b']",
        "output_dir='/o'",
    ]
    kept = OmegaConf.to_container(OmegaConf.load(tmp_path / ".hydra" / "config.yaml"))
    assert kept["corpus"] == {"name": "mine", "tags": ["mine", "b"]}
    assert kept["data"]["stride"] == "${.context_length}"  # still a reference
    assert kept["logger"]["csv"]["save_dir"] == "${run_dir}"  # a run may be moved
    assert cfg.corpus.name == "mine" and OmegaConf.is_interpolation(cfg.corpus, "name")  # itself untouched


def test_a_moved_run_has_its_new_folder(make_config: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    yaml = (
        "run_dir: ${run_folder:}\nseed: 1\ncorpus: {name: a, docstrings: true, val_fraction: 0.1, test_fraction: 0.1}\n"
        "evaluation: {}\nlogger: {csv: {save_dir: '${run_dir}'}}\n"
    )
    (tmp_path / ".hydra" / "config.yaml").write_text(yaml)
    assert read_config(tmp_path).logger.csv.save_dir == str(tmp_path)


@given(st.text(st.characters(exclude_characters="\0")))
def test_every_job_gets_a_folder_inside_its_sweep(subdir: str) -> None:
    place = Path("/sweep", fit_subdir(subdir.lstrip("/"))).parts
    assert place[:2] == ("/", "sweep")
    assert ".." not in place
    assert all(len(part.encode(errors="surrogatepass")) <= LONGEST_NAME for part in place)


def test_folders_keep_their_names_if_possible() -> None:
    assert fit_subdir("x/3") == "x/3"
    assert fit_subdir("12-00-00_3") == "12-00-00_3"
    long = ",".join(f"key{i}=value" for i in range(60))
    assert fit_subdir(long) != fit_subdir(long + "x")
    assert fit_subdir("corpus.path=../../a.txt,seed=1") == fit_subdir("corpus.path=../../a.txt,seed=1")
    assert fit_subdir("corpus.path=../../a.txt,seed=1") != fit_subdir("corpus.path=.._.._a.txt,seed=1")


def test_questions_resolve(tmp_path: Path) -> None:
    shown = succeeded(command("train", tmp_path, "--cfg", "job", "--resolve", "output_dir=o", "seed=3"))
    cfg = OmegaConf.create(shown)
    assert cfg.run_dir.startswith("o/runs/")
    assert cfg.logger.csv.save_dir.startswith("o/runs/")
    assert "${" not in shown
    assert "run_dir: o/runs/" in succeeded(command("train", tmp_path, "--cfg", "all", "--resolve", "output_dir=o"))
    several = command("train", tmp_path, "-m", "--cfg", "job", "seed=1,2")
    assert (several.returncode, said(several)) == (1, "error: -m and --cfg do not go together: leave one of them out\n")
    assert list(tmp_path.iterdir()) == []


def test_two_jobs_in_one_folder_are_one_line(here: Path) -> None:
    done = train(here, "-m", "hydra.sweep.subdir=x", "seed=1,2")
    assert done.returncode == 1
    assert said(done).startswith("error: hydra.sweep.subdir gives job 1 of 2: seed=1 and job 2 of 2: seed=2 one folder")
    assert said(done).count("\n") == 1
    assert not list(here.rglob("results.json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subdir", "folders"),
    [
        ("${hydra:job.num}", ["0", "1"]),
        ("x/${hydra:job.id}_${hydra:runtime.choices.position}", ["x/0_learned", "x/1_learned"]),
        ("${hydra:job.override_dirname}", None),  # 300 letters, with the slashes of paths among them
        ("seed_${seed}", ["seed_1", "seed_2"]),
    ],
)
def test_resolvers_name_the_jobs_folders(here: Path, subdir: str, folders: list[str] | None) -> None:
    arguments = ["-m", f"hydra.sweep.subdir={subdir}", "corpus.name=${hydra:job.num}", "seed=1,2"]
    assert "2 finished" in succeeded(train(here, *arguments))
    top = here / "outputs" / "sweeps" / "default"
    found = sorted(path.parent for path in here.rglob("results.json"))
    assert len(found) == 2 and all(path.is_relative_to(top) for path in found)
    assert folders is None or found == [top / name for name in folders]
    assert {results(path)["corpus"]["name"] for path in found} == {"0", "1"}
    assert "2 skipped" in succeeded(train(here, *arguments))
    assert "skipped" in succeeded(command("train", here, f"resume={found[1]}"))
    succeeded(command("evaluate", here, str(found[1])))


@pytest.mark.slow
def test_jobs_that_are_rerun_keep_their_numbers(here: Path) -> None:
    """Of three jobs the first and the last are rerun: they are 0 and 2, not 0 and 1."""
    arguments = ["-m", "hydra.sweep.subdir=${hydra:job.num}", "seed=5,6,7"]
    arguments.append("corpus.name=c${hydra:job.num}")
    assert "3 finished" in succeeded(train(here, *arguments))
    top = here / "outputs" / "sweeps" / "default"
    for number in ("0", "2"):
        (top / number / "results.json").unlink()
    assert "2 finished, 1 skipped" in succeeded(train(here, *arguments))
    assert [(results(top / n)["seed"], results(top / n)["corpus"]["name"]) for n in "012"] == [
        (5, "c0"),
        (6, "c1"),
        (7, "c2"),
    ]


@pytest.mark.slow
def test_resolvers_inside_settings(here: Path) -> None:
    names = ["sweep_name=${now:%Y}_x", "output_dir=out_${now:%H-%M-%S-%f}", "corpus.name=c_${hydra:job.name}_${now:%f}"]
    succeeded(train(here, *names, "hydra.run.dir=run"))
    first = results(here / "run")
    assert not [text for text in all_strings(first["config"]) if "${" in text]
    (here / "run" / "results.json").unlink()  # as if it had been killed before its end
    assert "resuming from step 2" in succeeded(command("train", here, "resume=run"))
    assert results(here / "run")["config"] == first["config"]
    for _ in range(2):
        succeeded(command("evaluate", here, "run"))
        assert results(here / "run")["config"] == first["config"]
        assert "skipped" in succeeded(command("train", here, "resume=run"))
    assert "tokens.txt" in succeeded(command("export", here, "run"))


@pytest.mark.slow
@pytest.mark.parametrize("subdir", ["null", "cfg"])
def test_hydras_own_files_in_another_folder_or_none(here: Path, subdir: str) -> None:
    succeeded(train(here, f"hydra.output_subdir={subdir}", "hydra.run.dir=run"))
    first = results(here / "run")
    assert (here / "run" / "cfg").exists() == (subdir == "cfg")
    succeeded(command("evaluate", here, "run"))
    assert "tokens.txt" in succeeded(command("export", here, "run"))
    (here / "run" / "results.json").unlink()
    assert "resuming from step 2" in succeeded(command("train", here, "resume=run"))
    assert results(here / "run")["config"] == first["config"]


@pytest.mark.slow
def test_a_job_that_works_in_its_own_folder(here: Path) -> None:
    shown = succeeded(train(here, "hydra.job.chdir=true", "hydra.run.dir=run"))
    assert "tensorboard --logdir run" in shown  # as the user's shell understands it
    first = results(here / "run")
    assert first["config"]["corpus"]["path"] == str(here / "text.txt")
    assert (here / "cache").is_dir()
    (here / "run" / "results.json").unlink()
    assert "resuming from step 2" in succeeded(command("train", here / "run", "resume=."))
    assert results(here / "run")["config"] == first["config"]
    succeeded(command("evaluate", here / "run", "."))
    assert "tokens.txt" in succeeded(command("export", here, "run"))
    sweep = ["-m", "hydra.job.chdir=true", "seed=1,2"]
    assert "2 finished" in succeeded(train(here, *sweep))
    assert "2 skipped" in succeeded(train(here, *sweep))
    assert {path.parent.parent for path in here.rglob("results.json")} == {here, here / "outputs/sweeps/default"}
