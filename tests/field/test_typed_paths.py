"""Paths as people type them: ~ that the shell does not expand, letters of any alphabet, blanks and brackets."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from embedlab import export
from embedlab.compare.__main__ import FINE
from embedlab.compare.__main__ import main as compare
from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.overrides import escape_literal, is_parsable, override, quote, quote_values, unquote
from embedlab.config.tree import Config
from tests.compare import synthetic
from tests.field.shell import command, said, succeeded, train, write_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# names of files; the characters of Hydra's lists, quotes and interpolations keep Hydra's meaning
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="[]{},'\"\\"), min_size=1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def value_of(argument: str) -> Any:
    """Return what OmegaConf holds after Hydra has read the override."""
    found = OverridesParser.create().parse_override(argument).value()
    return OmegaConf.to_container(OmegaConf.create({"x": found}), resolve=True)["x"]


@given(TEXT)
@settings(max_examples=300)
def test_quoted_is_read_back(text: str) -> None:
    assert value_of(f"x={quote(escape_literal(text))}") == text
    assert unquote(quote(text)) == text


@given(PLAIN)
@settings(max_examples=300)
def test_any_plain_value_is_read_back_from_its_override(value: Any) -> None:
    assert value_of(override("x", value)) == value


@given(NAMES)
@settings(max_examples=500)
def test_a_name_of_any_letters_needs_no_quotes(name: str) -> None:
    (argument,) = quote_values([f"corpus.path={name}"])
    assert is_parsable(argument)
    if not is_parsable(f"corpus.path={name}"):  # what Hydra reads keeps Hydra's meaning
        assert value_of(argument) in (name, name.strip(" \t"))  # blanks around a value are not part of it


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1))
def test_names_in_a_list_need_no_quotes(names: list[str]) -> None:
    bare = [f"é{name}" for name in names]
    (argument,) = quote_values([f"corpus.path=[{', '.join(bare)}]"])
    assert value_of(argument) == bare


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])))
def test_values_that_hydra_can_read_are_unchanged(text: str) -> None:
    argument = f"corpus.path={text}"
    assert quote_values([argument]) == [argument] or not is_parsable(argument)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("corpus.path=données/té.txt", "données/té.txt"),
        ("corpus.path=位置/文本.txt", "位置/文本.txt"),
        ("corpus.path=~/text.txt", "~/text.txt"),
        ("corpus.path=~", "~"),
        ("corpus.path=a=b.txt", "a=b.txt"),
        ("corpus.path=/x/text (1).txt", "/x/text (1).txt"),
        ("corpus.path=it's.txt", "it's.txt"),
        ("corpus.path=a#b&c;d!.txt", "a#b&c;d!.txt"),
        (r"corpus.path=C:\Users\é", r"C:\Users\é"),
        ("corpus.path=[données/a.txt,~/b.txt,'c d.txt']", ["données/a.txt", "~/b.txt", "c d.txt"]),
        ("corpus.path=caf\udce9.txt", "caf\udce9.txt"),
    ],
)
def test_what_people_type(typed: str, meant: Any) -> None:
    (argument,) = quote_values([typed])
    assert OverridesParser.create().parse_override(argument).value() == meant


@pytest.mark.parametrize("mistake", ["data.stride=[1", "foo bar", "seed=range(1,é", "x={a: é", "=é"])
def test_mistakes_that_quotes_cannot_fix_are_left_to_hydra(mistake: str) -> None:
    assert quote_values([mistake]) == [mistake]


def test_a_sweep_over_names() -> None:
    (argument,) = quote_values(["corpus.path=é.txt,~/b.txt"])
    assert OverridesParser.create().parse_override(argument).is_choice_sweep()


HOME_SETTINGS = [  # override, what it becomes with HOME=/home/me
    ("output_dir=~/out", "output_dir", "/home/me/out"),
    ("output_dir=~", "output_dir", "/home/me"),
    ("cache_dir='~/cache'", "cache_dir", "/home/me/cache"),
    ("corpus.path=~/text.txt", "corpus.path", "/home/me/text.txt"),
    ("corpus.path=[~/a.txt,/b.txt,~/c/*.txt]", "corpus.path", ["/home/me/a.txt", "/b.txt", "/home/me/c/*.txt"]),
    ("model.token_table.path=~/table.npy", "model.token_table.path", "/home/me/table.npy"),
    ("logger.csv.save_dir=~/log", "logger.csv.save_dir", "/home/me/log"),
    ("+callbacks.best.dirpath=~/best", "callbacks.best.dirpath", "/home/me/best"),
    ("corpus.name=~/x", "corpus.name", "~/x"),  # no path
]


@pytest.mark.parametrize(("typed", "key", "expected"), HOME_SETTINGS)
def test_the_home_folder_in_any_path_setting(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, typed: str, key: str, expected: Any
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    overrides = ["corpus=files", "corpus.path=/text.txt", *quote_values([typed.replace("+callbacks", "++callbacks")])]
    node: Any = make_config(*overrides)
    for part in key.split("."):
        node = node[part] if isinstance(node, dict) else getattr(node, part)
    assert node == expected


def test_settings_that_refer_to_a_path_follow_it(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("embedlab.config.optional.find_spec", lambda name: object())  # as if mlflow were there
    config = make_config("output_dir='~/out'", "logger=mlflow")
    assert config.logger["mlflow"]["tracking_uri"] == "sqlite:////home/me/out/mlflow.db"


def test_a_users_scheme_in_the_home_folder(
    make_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    scheme = "from embedlab.positions.config import PositionConfig\nclass MineConfig(PositionConfig): pass\n"
    (tmp_path / "mine.py").write_text(scheme)
    config = make_config("position=none", "position.name=mine", "position.file='~/mine.py'")
    assert config.position.file == str(tmp_path / "mine.py")


@pytest.mark.parametrize("path", ["~/.cache", "~nobody/x"])
def test_an_unknown_home_folder_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python does then
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=rf"^cache_dir={path} names an unknown home folder: give cache_dir=PATH in full"
    ):
        expand_user(path, "cache_dir")
    (tmp_path / path).mkdir(parents=True)
    assert expand_user(path, "cache_dir") == path  # a folder may have this name


def test_the_arguments_of_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    synthetic.sweep(tmp_path / "données", ["none", "rotary"])
    assert compare(["~/données", "--output", "~/comparé"]) == FINE
    assert (tmp_path / "comparé" / "report.html").exists()
    seen: list[Path] = []
    monkeypatch.setattr(export, "export", lambda run, form, to: seen.extend([run, to]) or [])
    export.main(["~/run", "--to", "~/é.txt"])
    assert seen == [tmp_path / "run", tmp_path / "é.txt"]


@pytest.mark.slow
def test_a_whole_run_by_home_and_other_alphabets(tmp_path: Path) -> None:
    """The home folder is the working folder, so that a folder named ~ would be seen."""
    write_text(tmp_path / "données" / "té.txt")
    write_text(tmp_path / "d" / "t.txt")
    paths = ["corpus.path=[données/té.txt,~/d/*.txt]", "cache_dir='~/cache'"]
    succeeded(train(tmp_path, *paths, "hydra.run.dir=~/sortie é"))
    (tmp_path / "sortie é" / "results.json").unlink()  # as if it had been killed before its end
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "resuming from step 2" in succeeded(command("train", elsewhere, "resume='~/sortie é'", HOME=str(tmp_path)))
    succeeded(command("evaluate", elsewhere, "~/sortie é", HOME=str(tmp_path)))
    assert "skipped" in succeeded(command("train", elsewhere, "resume=~/sortie é", HOME=str(tmp_path)))
    assert str(tmp_path / "é.txt") in succeeded(
        command("export", elsewhere, "~/sortie é", "--to", "~/é.txt", HOME=str(tmp_path))
    )
    assert not list(tmp_path.rglob("~"))
    missing = command("train", elsewhere, "resume=~/nulle part", HOME=str(tmp_path))
    assert (missing.returncode, said(missing).count("\n")) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_sweep_below_the_home_folder(tmp_path: Path, n_jobs: int) -> None:
    write_text(tmp_path / "text.txt")
    arguments = ["-m", f"hydra.launcher.n_jobs={n_jobs}", "output_dir=~/sorties", "seed=1,2"]
    assert "2 finished" in succeeded(train(tmp_path, *arguments))
    assert len(list(tmp_path.glob("sorties/sweeps/default/*/results.json"))) == 2
    assert "2 skipped" in succeeded(train(tmp_path, *arguments))
    assert "1 finished" in succeeded(train(tmp_path, *arguments[:2], "hydra.sweep.dir=~/é", "seed=1"))
    assert len(list(tmp_path.glob("é/*/results.json"))) == 1
    assert not list(tmp_path.rglob("~"))
