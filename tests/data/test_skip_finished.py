"""Skipping finished jobs: a changed text is noticed, at little cost."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from embedlab.config.corpora import DownloadConfig, PythonDocsConfig
from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.data import python_docs
from embedlab.data.corpus import open_corpus
from embedlab.data.skip_finished import finished_results, text_sha256
from embedlab.runs import file_hashes
from tests.conftest import ROOT

MakeConfig = Callable[..., Config]


def finish(folder: Path, config: Config, sha256: str) -> None:
    folder.mkdir(parents=True)
    found = {"config": asdict(config), "corpus": {"sha256": sha256}, "files": {}}
    (folder / "results.json").write_text(json.dumps(found))


def test_a_hundred_finished_jobs_read_the_text_once(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    shared = ("corpus=files", f"corpus.path={tmp_path}/*.txt", f"cache_dir={tmp_path}/cache")
    configs = [make_config(*shared, f"seed={seed}", f"run_dir={tmp_path}/{seed}") for seed in range(100)]
    sha256 = open_corpus(configs[0].corpus, tmp_path).sha256
    for config in configs:
        finish(Path(config.run_dir), config, sha256)
    read: list[Path] = []
    hash_file, now = file_hashes.sha256_of, file_hashes.time.time_ns
    monkeypatch.setattr(file_hashes, "sha256_of", lambda path: read.append(path) or hash_file(path))
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: now() + 3 * 10**9)  # later than the texts were written
    for config in configs:
        assert finished_results(Path(config.run_dir), config, "remedy") is not None
    assert [path.name for path in read] == ["a.txt", "b.txt"]
    (tmp_path / "b.txt").write_text("another")
    with pytest.raises(UserError, match=rf"text: sha256 {sha256[:12]}, now "):
        finished_results(tmp_path / "7", configs[7], "remedy")


def test_skipping_does_not_import_torch() -> None:
    code = "import sys, embedlab.data.skip_finished; print('torch' in sys.modules, 'lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_sha256_of_a_download_is_its_setting_and_needs_no_file(tmp_path: Path) -> None:
    config = DownloadConfig("verdict", 0.1, 0.1, "http://127.0.0.1:1/a.txt", "AB" * 32)
    assert text_sha256(config, tmp_path / "nothing") == "ab" * 32
    assert not (tmp_path / "nothing").exists()


def test_another_python_version_has_another_text(
    make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_docs, "_topics", lambda: [("a", "some text")])
    config = make_config("corpus.docstrings=false", f"cache_dir={tmp_path}/cache", f"run_dir={tmp_path}/run")
    assert isinstance(config.corpus, PythonDocsConfig)
    sha256 = text_sha256(config.corpus, tmp_path / "cache")
    assert sha256 == open_corpus(config.corpus, tmp_path / "cache").sha256
    finish(tmp_path / "run", config, "cd" * 32)
    with pytest.raises(UserError, match=r"sha256 cdcdcdcdcdcd, now .* as python_docs does with the Python version"):
        finished_results(tmp_path / "run", config, "remedy")


def test_nothing_is_compared_if_nothing_was_recorded(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config("corpus=files", f"corpus.path={tmp_path}/gone.txt", f"run_dir={tmp_path}/run")
    assert finished_results(tmp_path / "run", config, "remedy") is None
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text(json.dumps({"config": asdict(config)}))
    assert finished_results(tmp_path / "run", config, "remedy") is not None
