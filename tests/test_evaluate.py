"""`python -m embedlab.evaluate`: measure a checkpoint again; report mistakes in one line, before torch is loaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from embedlab.config.errors import UserError
from embedlab.config.tree import CONF
from embedlab.evaluate import changed_config, find_checkpoint, main, read_results

ROOT = Path(__file__).parents[1]
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
CONFIG = """
seed: 1
output_dir: outputs
cache_dir: cache
sweep_name: default
run_dir: ${hydra:runtime.output_dir}
corpus: {name: files, val_fraction: 0.1, test_fraction: 0.1, path: a.txt, field: text}
tokenizer: {name: bytes, vocab_size: null}
data: {context_length: 8, stride: '${.context_length}', batch_size: 2, num_workers: 0, max_eval_tokens: 64}
model:
  {head: attention, embedding_dim: 8, n_layers: 1, n_heads: 2, mlp_ratio: 4, dropout: 0, init_std: 0.02,
   loss_chunk_tokens: 64, token_table: {path: null, frozen: false}}
position: {name: learned, file: null, init_std: 0.02, past_end: refuse}
optimizer: {lr: 0.001, min_lr_ratio: 0.1, warmup_fraction: 0.1, weight_decay: 0, beta1: 0.9, beta2: 0.95}
evaluation: {length_factors: [1, 2], max_tokens: 64}
trainer: {}
logger: {}
callbacks: {}
"""  # of a version with fewer evaluation settings


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run's folder with all that the checks read, without weights."""
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(CONFIG)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").write_bytes(b"no weights")
    (tmp_path / "results.json").write_text('{"corpus": {"sha256": "0"}}')
    return tmp_path


def test_config_of_the_run_with_changes(run_folder: Path) -> None:
    config = changed_config(run_folder, ["evaluation.length_factors=[0.5,4]", "position.past_end=clamp"])
    assert config.run_dir == str(run_folder)
    assert config.data.stride == 8
    assert config.corpus.path == "a.txt"  # of corpus=files
    assert config.position.past_end == "clamp"
    assert config.evaluation.length_factors == [0.5, 4]
    assert config.evaluation.max_tokens == 64  # the run's own
    assert config.evaluation.sliding_step > 0  # a newer setting: from conf/evaluation/default.yaml


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("evaluation.max_token=1", "names no setting (did you mean evaluation.max_tokens?)"),
        ("evaluation.max_tokens=abc", "evaluation.max_tokens=abc cannot be used: give a whole number, as"),
        ("evaluation.max_tokens=0", "evaluation.max_tokens=0 is too small"),
        ("evaluation.length_factors=[1", "evaluation.length_factors=[1: while parsing"),
        ("model.embedding_dim=4", "model.embedding_dim=4 cannot be changed after training"),
        ("evaluation.max_tokens", "evaluation.max_tokens cannot be changed after training"),
        ("position.past_end=wrap", "position.past_end=wrap is unknown"),
        ("position.clip=3", "position=learned: +clip names no setting"),
    ],
)
def test_wrong_settings(run_folder: Path, override: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        changed_config(run_folder, [override])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "corpus: {name: x}", CONFIG.replace("seed: 1", "sead: 1")])
def test_foreign_configs(run_folder: Path, text: str) -> None:
    (run_folder / ".hydra" / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml|corpus=x"):
        changed_config(run_folder, [])


def test_wrong_folders(run_folder: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        read_results(run_folder / "nowhere")
    for text in ("", "{", "[]", "{}"):
        (run_folder / "results.json").write_text(text)
        with pytest.raises(UserError, match=r"results\.json"):
            read_results(run_folder)
    (run_folder / "results.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        read_results(run_folder)
    (run_folder / "checkpoints" / "best.ckpt").rename(run_folder / "checkpoints" / "last.ckpt")
    assert find_checkpoint(run_folder).name == "last.ckpt"
    shutil.rmtree(run_folder / "checkpoints")
    with pytest.raises(UserError, match="holds neither"):
        find_checkpoint(run_folder)
    shutil.rmtree(run_folder / ".hydra")
    with pytest.raises(UserError, match="is missing"):
        changed_config(run_folder, [])


def test_mistakes_are_reported_without_torch(run_folder: Path) -> None:
    """The output would show a traceback or an import of torch."""
    code = (
        "import sys; from embedlab.evaluate import main\n"
        "try: main([sys.argv[1], 'evaluation.max_tokens=0'])\n"
        "finally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, run_folder], cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "False\n")
    assert done.stderr == "error: evaluation.max_tokens=0 is too small: give at least 1\n"


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert "evaluation.sliding_step=1" in shown


@pytest.mark.slow
def test_a_run_is_measured_again(tmp_path: Path) -> None:
    """The run's own numbers if nothing is changed, other ones if something is, none if that is impossible."""
    text = tmp_path / "a.txt"
    text.write_text("the cat sat on the mat and the mat sat on the cat. " * 200)
    overrides = ("corpus=files", f"corpus.path={text}", f"cache_dir={tmp_path / 'cache'}", "evaluation.max_tokens=256")
    train = [sys.executable, "train.py", "experiment=smoke", f"output_dir={tmp_path}", *overrides]
    subprocess.run(train, cwd=ROOT, env=ENV, capture_output=True, check=True)
    (path,) = tmp_path.glob("runs/*/*/results.json")

    def evaluate(*settings: str) -> tuple[str, dict[str, Any] | None]:
        """Return the output, and the content of the file that the evaluation adds."""
        before = set(path.parent.glob("evaluated/*"))
        command = [sys.executable, "-m", "embedlab.evaluate", str(path.parent), *settings]
        done = subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, text=True)
        assert path.read_bytes() == original
        (new,) = set(path.parent.glob("evaluated/*")) - before or {None}
        assert (new is not None) == (done.returncode == 0)
        return (done.stdout, json.loads(new.read_text())) if new else (done.stderr, None)

    original = path.read_bytes()
    first = json.loads(original)
    shown, again = evaluate()
    assert again is not None
    assert "Longer contexts" in shown
    assert str(path.parent / "evaluated") in shown
    assert again.pop("evaluated")["command"].endswith(str(path.parent))
    assert {**again, "eval_tokens_per_second": first["eval_tokens_per_second"]} == first
    _, changed = evaluate("evaluation.length_factors=[1,3]")
    assert changed is not None
    assert [e["context_length"] for e in changed["extrapolation"]] == [32, 32, 96, 96]
    assert changed["config"]["evaluation"]["length_factors"] == [1, 3]
    assert (changed["train_seconds"], changed["command"]) == (first["train_seconds"], first["command"])
    assert len(list(path.parent.glob("evaluated/*"))) == 2, "each evaluation keeps its own"

    best = path.parent / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes()[:1000])  # cut off, as by a full disk
    shown, nothing = evaluate()
    assert shown.startswith(f"error: {best} does not fit this run's model")
    assert shown.count("\n") == 1
    assert nothing is None

    text.write_text("another text altogether, long enough to be cut into its three pieces. " * 200)
    shown, nothing = evaluate()
    assert shown.startswith("error: corpus=files is another text than the run's")
    assert nothing is None


def test_the_help_says_what_a_small_sliding_step_costs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    default = OmegaConf.load(CONF / "evaluation" / "default.yaml").sliding_step
    assert f"evaluation.sliding_step=1 so takes {default} times as long as the default of {default}" in text
    assert "evaluation.sliding_step=1 every target sees the whole length (slow: see below)" in text
