"""Relative paths are made absolute."""

import glob
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from embedlab.config.paths import absolute_paths, same_path, with_values
from embedlab.data.corpus import find_files

HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"corpus": {"path": "my.txt"}}, {"corpus.path": "/home/me/my.txt"}),
        ({"corpus": {"path": ["./a.txt", "/b.txt"]}}, {"corpus.path": ["/home/me/a.txt", "/b.txt"]}),
        ({"corpus": {"path": "../a.txt"}}, {"corpus.path": "/home/me/../a.txt"}),  # .. of a link is another folder
        ({"corpus": {"path": "/a.txt"}, "output_dir": "~/o", "cache_dir": None}, {}),
        ({"corpus": {"name": "python_docs"}, "position": {"name": "none", "file": None}}, {}),
        (
            {"output_dir": "outputs", "cache_dir": "${output_dir}/c"},
            {"output_dir": "/home/me/outputs", "cache_dir": "/home/me/outputs/c"},
        ),
        (
            {"corpus": {"path": "${missing}"}, "model": {"token_table": {"path": "t.npy"}}},
            {"model.token_table.path": "/home/me/t.npy"},
        ),
        ({"position": {"name": "x", "file": "x.py", "scale": 2}}, {"position.file": "/home/me/x.py"}),
        (
            {"position": {"name": "per_layer", "schemes": ["none", {"name": "x", "file": "x.py"}]}},
            {"position.schemes": ["none", {"name": "x", "file": "/home/me/x.py"}]},
        ),
        (
            {"position": {"name": "drop_after", "inner": {"name": "x", "file": "x.py"}}},
            {"position.inner": {"name": "x", "file": "/home/me/x.py"}},
        ),
    ],
)
def test_paths_are_made_absolute(config: dict, expected: dict) -> None:
    cfg = OmegaConf.create(config)
    found = absolute_paths(cfg, HOME)
    assert found == expected
    again = with_values(cfg, found)
    assert absolute_paths(again, Path("/elsewhere")) == {}
    for key, value in found.items():
        assert OmegaConf.select(again, key) == value


def test_a_glob_means_the_same_in_a_folder_of_any_name(tmp_path: Path) -> None:
    home = tmp_path / "a [b]*"
    home.mkdir()
    (home / "1.txt").write_text("one")
    path = absolute_paths(OmegaConf.create({"corpus": {"path": "*.txt"}}), home)["corpus.path"]
    assert path == f"{glob.escape(str(home))}/*.txt"
    assert find_files(path) == [home / "1.txt"]


def test_a_recorded_relative_path_may_match_an_absolute_one() -> None:
    assert same_path("my.txt", "/home/me/my.txt")
    assert same_path("../data/./my.txt", "/home/data/my.txt")
    assert same_path(["a.txt", "/b.txt"], ["/home/a.txt", "/b.txt"])
    assert not same_path("my.txt", "/home/me/other.txt")
    assert not same_path("/my.txt", "/home/me/my.txt")
    assert not same_path(["a.txt"], ["/a.txt", "/b.txt"])
    assert not same_path(None, "/a.txt")
