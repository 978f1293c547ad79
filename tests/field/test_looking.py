"""A view or measure that fails does not cost the run: results.json is written, the failure is logged and named."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedlab import evaluation
from embedlab.config.tree import Config
from embedlab.data.tokens import Tokens
from embedlab.evaluation import measure
from embedlab.evaluation.loss import Losses
from embedlab.tensorboard.figures import Figures
from embedlab.tensorboard.hparams import HParams
from embedlab.tensorboard.layout import Layout
from embedlab.tensorboard.projector import Projector
from embedlab.tensorboard.texts import Texts
from embedlab.training.progress_bar import Progress
from embedlab.training.run import train
from tests.field.forked import train_py

HOOKS = [
    (kind, name)
    for kind in (Figures, HParams, Layout, Progress, Projector, Texts)
    for name in vars(kind)
    if name.startswith("on_") and name != "on_exception"
]


def strict(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture
def run(make_config: Callable[..., Config], field: list[str], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def start(*overrides: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returned = train(make_config(*field, *overrides), measure)
        assert strict(tmp_path / "results.json") == returned
        return returned

    return start


def broken(*arguments: object, **named: object) -> None:
    raise RuntimeError("broken on purpose")


def test_every_broken_hook_is_named_and_the_run_is_whole(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedlab.training.view_callback import guard

    for kind, name in HOOKS:

        def hook(*arguments: object, **named: object) -> None:
            raise RuntimeError("broken on purpose")

        hook.__name__ = name
        monkeypatch.setattr(kind, name, guard(hook))
    results = run("callbacks.projector.steps=[2]")
    assert results["val"]["loss"] > 0
    for kind, name in HOOKS:
        assert any(caution.startswith(f"{kind.__name__}.{name} failed") for caution in results["cautions"]), name
    log = (tmp_path / "looking.log").read_text()
    assert log.count("Traceback") == len(HOOKS)  # a hook that fails at every step is logged once


@pytest.mark.parametrize("name", ["extrapolation", "order_sensitivity", "tables", "position_lens", "baselines"])
def test_a_broken_measure_is_null(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    owner = Tokens if name == "baselines" else evaluation
    monkeypatch.setattr(owner, {"tables": "measure_tables"}.get(name, name), broken)
    results = run("callbacks.projector=null")
    assert results[name] is None
    assert results["test"]["loss"] > 0
    (caution,) = (caution for caution in results["cautions"] if name in caution)
    assert "RuntimeError: broken on purpose" in caution
    assert "broken on purpose" in (tmp_path / "looking.log").read_text()


def test_a_broken_loss_by_position_is_null(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Losses, "by_position", broken)
    results = run("callbacks.projector=null")
    assert results["loss_by_position"] is None and results["test"]["loss"] > 0
    assert any("loss_by_position" in caution for caution in results["cautions"])


def test_each_view_is_guarded_by_its_class() -> None:
    """The other tests replace hooks. This one checks the shipped ones: `guard` sets `__wrapped__`."""
    for kind, name in HOOKS:
        assert hasattr(vars(kind)[name], "__wrapped__"), f"{kind.__name__}.{name}"


def test_a_view_that_fails_does_not_change_the_training(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projector sets the scheme to evaluation before it reads tables."""
    monkeypatch.setattr("embedlab.tensorboard.snapshot_tables.token_table", broken)
    broken_run = run("callbacks.projector.steps=[1]", "position=randomized", "model.dropout=0.1")
    monkeypatch.undo()
    (tmp_path / "results.json").unlink()
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
    whole = run("callbacks.projector=null", "position=randomized", "model.dropout=0.1")
    assert broken_run["test"] == whole["test"]
    assert any("Projector.on_train_batch_end" in caution for caution in broken_run["cautions"])
    assert not any("Projector" in caution for caution in whole["cautions"])


def test_a_failure_of_the_scoring_itself_is_raised(
    run: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "window_losses", broken)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        run()
    assert not (tmp_path / "results.json").exists()


def test_a_full_disk_and_signals_are_not_caught(tmp_path: Path) -> None:
    from embedlab.runs.view_failures import log_view_failure, view_cautions

    for error in (OSError(28, "No space left on device"), SystemExit(143), KeyboardInterrupt(), BrokenPipeError()):
        with pytest.raises(type(error)), log_view_failure(tmp_path, "a look"):
            raise error
    assert view_cautions(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "override", ["callbacks.texts.temperature=0", "callbacks.texts.continuations=0", "callbacks.texts.words=0"]
)
def test_odd_settings_of_texts_work(field: list[str], tmp_path: Path, override: str) -> None:
    ended = train_py([*field, override, "hydra.run.dir=run"], tmp_path)
    assert ended.status == 0, ended.said
    assert strict(tmp_path / "run" / "results.json")["cautions"] == []


@pytest.mark.slow
def test_a_callback_of_the_user_that_raises_is_one_line(field: list[str], tmp_path: Path) -> None:
    stopping = "+callbacks.mine={_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:nothing}"
    ended = train_py([*field, stopping, "hydra.run.dir=run"], tmp_path)
    assert ended.status == 1
    assert "Traceback" not in ended.said
    (line,) = (line for line in ended.said.splitlines() if line.startswith("error: "))
    assert "Early stopping conditioned on metric `nothing`" in line and "error.txt" in line
    assert "Traceback" in (tmp_path / "run" / "error.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("given", ["texts", "'texts/caf\udce9.txt'", "texts/*.txt"])
def test_a_file_name_that_is_not_utf8(field: list[str], text: Path, tmp_path: Path, given: str) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "caf\udce9.txt").write_bytes(text.read_bytes())
    ended = train_py([*field, f"corpus.path={given}", "hydra.run.dir=run"], tmp_path)
    assert ended.status == 0, ended.said
    found = strict(tmp_path / "run" / "results.json")
    assert found["config"]["corpus"]["path"] == str(tmp_path / given.strip("'"))
    assert found["test"]["loss"] > 0


def test_a_validation_loss_of_zero(run: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    from embedlab.training.summary import scores_table

    results = run("callbacks.projector=null")
    results["val"] = {"loss": 0.0, "perplexity": 1.0, "bits_per_byte": 0.0}
    assert scores_table(results).row_count == 5
