"""`python train.py` as users type it: help, mistakes, unusual folders."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from embedlab import cli

ROOT = Path(__file__).parents[1]


def train(folder: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", str(ROOT / "train.py"), *overrides]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return run_main("seed=-1", …), which gives the error message of `python train.py seed=-1 …`, in this process."""

    def run(*overrides: str) -> str:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["train.py", *overrides])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return str(exit_.value.code)  # a text, which Python prints on stderr, with exit status 1

    return run


def imported(run: subprocess.CompletedProcess[str]) -> set[str]:
    lines = (line for line in run.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def message(run: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(line for line in run.stderr.splitlines() if not line.startswith("import time:"))


@pytest.mark.parametrize("question", [["--help"], ["--cfg", "job"], ["position=shaw", "--help"]])
def test_questions_are_answered_without_torch(tmp_path: Path, question: list[str]) -> None:
    run = train(tmp_path, *question)
    assert run.returncode == 0
    assert not {"torch", "lightning", "tiktoken", "matplotlib"} & imported(run)
    assert list(tmp_path.iterdir()) == []


def test_help_names_choices_settings_and_examples(tmp_path: Path) -> None:
    text = train(tmp_path, "position=shaw", "--help").stdout
    for expected in ("position=learned", "corpus=files", "data.context_length", "tokens in a window", "position.clip"):
        assert expected in text
    assert "schema" not in text


MISTAKES = [  # overrides, parts of the one line
    (["model.embeding_dim=3"], ["model.embeding_dim=3", "did you mean model.embedding_dim?"]),
    (["model.embedding_dim=abc"], ["model.embedding_dim=abc", "give a whole number"]),
    (["model.embedding_dim=0"], ["model.embedding_dim=0", "at least 1"]),
    (["model.embedding_dim=-8"], ["model.embedding_dim=-8", "at least 1"]),
    (["model.n_heads=3"], ["model.embedding_dim=256", "model.n_heads=3"]),
    (["model.dropout=1"], ["model.dropout=1", "below 1"]),
    (["position=foo"], ["position=foo", "one of", "learned"]),
    (["positon=learned"], ["positon=learned", "did you mean position?"]),
    (["position.bar=3"], ["position.bar=3", "--help"]),
    (["position.past_end=wrap"], ["position.past_end=wrap", "refuse, clamp"]),
    (["+typo=1"], ["+typo", "--help"]),
    (["++position.typo=1"], ["+typo", "--help"]),
    (["~optimizer.lr"], ["~optimizer.lr", "deletion"]),
    (["trainer.max_stepz=3"], ["trainer.max_stepz=3", "--help"]),
    (["data.stride=0"], ["data.stride=0", "at least 1"]),
    (["data.context_length=-1"], ["data.context_length=-1", "at least 1"]),
    (["data.batch_size=0"], ["data.batch_size=0", "at least 1"]),
    (["optimizer.lr=0"], ["optimizer.lr=0", "above 0"]),
    (["corpus.val_fraction=0.6", "corpus.test_fraction=0.6"], ["corpus.val_fraction=0.6", "below 1"]),
    (["corpus=files"], ["corpus.path", "corpus.path=VALUE"]),
    (["corpus.path=x"], ["corpus.path=x", "choose another with corpus=NAME"]),
    (["tokenizer.vocab_size=100"], ["tokenizer.vocab_size=100", "257"]),
    (["seed=1,2"], ["seed=1,2", "-m"]),
    (["seed=-1"], ["seed=-1", "at least 0"]),
    (["data.stride=[1"], ["data.stride=[1", "KEY=VALUE"]),
    (["foo bar"], ["foo", "KEY=VALUE"]),
    (["experiment=nope"], ["experiment=nope"]),
]


@pytest.mark.parametrize(("overrides", "expected"), MISTAKES, ids=[" ".join(o) for o, _ in MISTAKES])
def test_a_mistake_is_one_line(
    here: Path, run_main: Callable[..., str], overrides: list[str], expected: list[str]
) -> None:
    said = run_main(*overrides)
    assert said.startswith("error: ")
    assert "\n" not in said
    assert all(part in said for part in expected), said
    assert [path for path in here.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("mistake", ["model.embeding_dim=3", "data.stride=0", "position.past_end=wrap"])
def test_a_mistake_is_reported_before_torch_is_imported(tmp_path: Path, mistake: str) -> None:
    run = train(tmp_path, mistake)
    assert run.returncode == 1
    assert message(run).startswith("error: ")
    assert len(message(run).splitlines()) == 1
    assert "torch" not in imported(run)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_traceback_is_available(tmp_path: Path) -> None:
    run = train(tmp_path, "model.embedding_dim=abc", HYDRA_FULL_ERROR="1")
    assert run.returncode == 1
    assert "Traceback" in run.stderr


def test_unwritable_output_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    run = train(tmp_path, "output_dir=taken")
    assert run.returncode == 1
    assert message(run).startswith("error: output_dir=taken cannot be written")
    assert len(message(run).splitlines()) == 1


LATE_MISTAKES = [  # mistakes that only the text itself shows
    ("missing.txt", None, ["corpus.path=", "missing.txt", "does not exist"]),
    ("empty.txt", b"", ["corpus=files", "is empty", "empty.txt"]),
    ("short.txt", b"two words", ["data.context_length", "64"]),
    ("latin.txt", "Müller\n".encode("latin-1") * 100, ["latin.txt", "UTF-8"]),
    ("binary.txt", bytes(range(256)) * 10, ["binary.txt", "binary"]),
]


@pytest.mark.parametrize(("name", "content", "expected"), LATE_MISTAKES, ids=[name for name, *_ in LATE_MISTAKES])
def test_a_bad_text_is_one_line_and_leaves_nothing(
    here: Path, run_main: Callable[..., str], name: str, content: bytes | None, expected: list[str]
) -> None:
    if content is not None:
        (here / name).write_bytes(content)
    said = run_main("corpus=files", f"corpus.path={name}", f"cache_dir={here}/cache")
    assert said.startswith("error: ")
    assert "\n" not in said
    assert all(part in said for part in expected), said
    assert not list(here.rglob("outputs/runs/*"))


@pytest.mark.parametrize(("launcher", "package"), [("slurm", "hydra-submitit-launcher")])
def test_a_launcher_that_is_not_installed_names_its_package(tmp_path: Path, launcher: str, package: str) -> None:
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')  # Hydra warns of plugins that cannot be imported\n"
        "for name in ('joblib', 'submitit'): sys.modules[f'hydra_plugins.hydra_{name}_launcher'] = None\n"
        "from embedlab import cli; cli.main()"
    )
    command = [sys.executable, "-c", script, "-m", f"hydra/launcher={launcher}", "seed=1,2"]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr.startswith(
        f"error: hydra/launcher={launcher} is not installed: pip install {package} installs it"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", ["basic", "joblib", "local", "submitit_local"])
def test_a_replaced_launcher_names_the_new_setting(tmp_path: Path, launcher: str) -> None:
    run = train(tmp_path, "-m", f"hydra/launcher={launcher}", "seed=1,2")
    assert run.returncode == 1
    (said,) = [line for line in run.stderr.splitlines() if not line.startswith("import time:")]
    assert said.startswith(f"error: hydra/launcher={launcher} is no longer there: leave it out")
    assert "hydra.launcher.n_jobs=NUMBER" in said
    assert list(tmp_path.iterdir()) == []


def test_help_into_a_closed_pipe_prints_no_error(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train.py"), "--help"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.close()
    assert run.communicate()[1] == b""
