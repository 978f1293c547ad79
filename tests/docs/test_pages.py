"""What the pages name exists: links, choices, settings, commands; the README is short and its catalogue right."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException

from embedlab import positions
from embedlab.config.errors import UserError
from tests.conftest import ROOT
from tests.docs.command_check import KNOWN, check
from tests.docs.known_settings import PLACEHOLDER, known_keys, unknown
from tests.docs.pages import PAGES, README, TUTORIAL, anchors, blocks, links, spans, table

CONTRIBUTING = ROOT / "docs" / "contributing.md"
# field-reports.md names wrong settings on purpose, changelog.md those of other versions
NAMING = [page for page in PAGES if page.name not in ("field-reports.md", "changelog.md")]
OWN_SETTING = re.compile(r"^    (\w+): \w+ = setting\(", re.MULTILINE)  # of a scheme that a page's block defines
FOLDERS = (".ci/", ".github/", "conf/", "docs/", "embedlab/", "tests/")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_naming_page = pytest.mark.parametrize("page", NAMING, ids=lambda page: page.name)


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 9000


@each_page
def test_links(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        assert "://" not in link, f"{link}: the pages need no network"
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert set(PAGES) - {README} <= linked
    assert sum(link.endswith(".png") for link in links(README)) == 1


def test_every_picture_is_shown() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page) if link.endswith(".png")}
    assert shown == set((ROOT / ".pictures").glob("*.png"))


@each_page
def test_every_block_names_its_language(page: Path) -> None:
    fences = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert set(fences[::2]) <= {"bash", "python", "text"}
    assert set(fences[1::2]) <= {""}


@each_naming_page
def test_choices_and_settings_exist(page: Path) -> None:
    own = {f"position.{name}" for block in blocks(page) for name in OWN_SETTING.findall(block.text)}
    known = known_keys() | own
    words = [word for span in spans(page) for word in span.split()]
    assert [why for word in words if (why := unknown(word, known))] == []


def test_what_does_not_exist_is_found() -> None:
    known = known_keys()
    wrong = ("position=nope", "position=none,nope", "model.dmi=3", "optimizer.rate", "hydra/launcher=joblib", "sed=1")
    assert [word for word in wrong if unknown(word, known)] == list(wrong)
    right = ("position=NAME", "position=none,t5", "model.embedding_dim=3", "+position.reach=8", "corpus.tokens", "a.py")
    assert [word for word in right if unknown(word, known)] == ["+position.reach=8"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "changelog.md"], ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """A path from the top of the repository, such as `embedlab/data/corpus.py`; not with placeholders."""
    paths = [word for span in spans(page) for word in span.split() if word.startswith(FOLDERS)]
    missing = [path for path in paths if not PLACEHOLDER.search(path) and not (ROOT / path.partition("::")[0]).exists()]
    assert missing == []


@each_naming_page
def test_commands_could_be_given(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of README and tutorial are run besides; here also the commands within sentences."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    starts = {start[0] for start in KNOWN}
    shown = [command for block in blocks(page) if block.language == "bash" for command in block.commands]
    written = [span for span in spans(page) if span.split()[0] in starts and tuple(span.split()) not in KNOWN]
    checked = 0
    for command in [*shown, *written]:
        if "&&" in command or (PLACEHOLDER.search(command) and "outputs/" not in command):
            continue  # the lines that install; commands with something to fill in
        check(command)
        checked += 1
    assert checked > 0 or page.name == "contributing.md"


WRONG = {  # how each wrong command is found: by Hydra, by a check, by argparse, by an assertion
    "python train.py position=nope": (MissingConfigException, "Could not find 'position/nope'"),
    "python train.py seed=1,2": (AssertionError, r"\['seed=1,2'\] need -m"),
    "python train.py model.dmi=3": (ConfigCompositionException, "Could not override 'model.dmi'"),
    "python train.py seed=-1": (UserError, "seed=-1 is too small"),
    "python -m embedlab.compare outputs --nothing": (SystemExit, "2"),
    "python -m embedlab.evaluate outputs/x seed=1": (AssertionError, "seed=1"),
    "python -m embedlab.export outputs/x --format pdf": (AssertionError, "2"),
    "python -m pytest tests/nothing.py": (AssertionError, "tests/nothing.py"),
    "pip install -e '.[nothing]'": (AssertionError, "nothing"),
    "rm -rf outputs": (AssertionError, "how is such a command checked"),
}


@pytest.mark.parametrize("command", WRONG)
def test_wrong_commands_are_found(command: str) -> None:
    kind, why = WRONG[command]
    with pytest.raises(kind, match=why) as caught:
        check(command)
    assert type(caught.value) is kind


def test_the_catalogue() -> None:
    """Each scheme has its row, with the number of its parameters at its defaults."""
    rows = {row[0]: row[2] for row in table(README, "`position=`")}
    assert sorted(rows) == positions.names()
    D, H, L, n = 48, 3, 10, 2
    letters = {"D": D, "H": H, "L": L, "n": n, "K": D // H}
    for name, formula in rows.items():
        if not formula.startswith("of "):  # the number is that of other schemes
            expression = formula.replace("·", "*").replace("²", "**2").replace("−", "-")
            assert re.fullmatch(r"[DHLKn0-9*+\-() ]+", expression), formula
            scheme = positions.build(name, embedding_dim=D, n_heads=H, n_layers=n, context_length=L)
            assert scheme.count_parameters() == eval(expression, letters), name


def test_the_house() -> None:
    """The plan has the rooms in import-linter's order; every answer names a room and files in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    order = [[part.strip().removeprefix("embedlab.") for part in layer.split(":")] for layer in layers]
    plan = [row[0] for row in table(CONTRIBUTING, "room of `embedlab/`")]
    assert [re.findall(r"(\w+)(?:/|\.py)", rooms) for rooms in plan] == order
    answers = table(CONTRIBUTING, "line")
    assert [row[0] for row in answers] == [str(number) for number in range(1, 11)]
    lines = re.findall(r"^(\d+)\. ", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    assert lines == [row[0] for row in answers]
    for _, room, files in answers:
        assert [room.rstrip("/")] in order
        assert all((ROOT / "embedlab" / room / file).is_file() for file in files.split(", "))


def test_experiments_are_listed() -> None:
    listed = {row[0] for row in table(ROOT / "docs" / "sweeps.md", "`python train.py experiment=…`")}
    assert listed == {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}


def test_the_benchmarks_are_listed() -> None:
    listed = {shlex.split(row[0])[3] for row in table(ROOT / "docs" / "benchmarks.md", "command")}
    assert listed == {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "benchmarks").glob("test_*.py")}


def test_the_tutorial_is_not_for_real_work() -> None:
    """Its commands stay small: bytes, and at most the steps that it was timed with."""
    text = TUTORIAL.read_text(encoding="utf-8")
    experiments = {"smoke", "tutorial"}
    for command in (command for block in blocks(TUTORIAL) if block.language == "bash" for command in block.commands):
        if command.startswith("python train.py") and "resume=" not in command:
            assert any(f"experiment={name}" in command for name in experiments), command
    assert "three minutes" in text
