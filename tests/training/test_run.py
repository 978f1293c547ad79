"""One run from text to results.json: files of the folder, repeatability, frozen and pretrained tables."""

import csv
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.training.run import train

SMALL = (  # takes seconds: bytes, a width of 16, few steps
    "corpus=files",
    "tokenizer=bytes",
    "model.embedding_dim=16",
    "model.n_heads=2",
    "data.context_length=16",
    "trainer.max_steps=12",
    "trainer.val_check_interval=6",
    "trainer.log_every_n_steps=4",
    "data.max_eval_tokens=512",
    "evaluation.max_tokens=256",
    "evaluation.order_windows=8",
)


@pytest.fixture
def run(make_config: Callable[..., Config], tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Path]]:
    """run("position=none", …) -> results and folder of a new small run."""
    text = tmp_path / "text.txt"
    words = np.random.default_rng(0).choice(["the cat", "sat on", "a mat.", "Why", "not\n"], 6000)
    text.write_text(" ".join(words))
    made = iter(range(100))

    def start(*overrides: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path / f"run{next(made)}"
        folder.mkdir()
        own = (f"corpus.path={text}", f"cache_dir={tmp_path}/cache", f"run_dir={folder}")
        return train(make_config(*SMALL, *own, *overrides), measure), folder

    return start


def weights_hash(folder: Path) -> str:
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def test_the_folder_holds_all_promised_files(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    results, folder = run()
    for path in ("metrics.csv", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "results.json"):
        assert (folder / path).is_file()
    assert list(folder.rglob("events.out.tfevents.*"))
    assert list(folder.rglob("projector_config.pbtxt"))
    newest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "results.json"
    assert json.loads((folder / "results.json").read_text()) == results

    assert results["seed"] == 42
    assert results["position"] == results["config"]["position"]["name"] == "learned"
    assert results["parameters"]["position"] == 16 * 16
    for part in ("val", "test"):
        score = results[part]
        assert score["perplexity"] == pytest.approx(math.exp(score["loss"]))
        assert score["bits_per_byte"] == pytest.approx(score["loss"] / math.log(2))  # a token is a byte here
    assert set(results["baselines"]) == {"unigram", "bigram", "unigram_entropy"}
    assert len(results["loss_by_position"]) == 16
    assert np.mean(results["loss_by_position"]) == pytest.approx(results["test"]["loss"])
    assert {entry["context_length"] for entry in results["extrapolation"]} == {16, 32, 64, 128}
    assert {entry["keep"] for entry in results["order_sensitivity"]} == {0, 1, 4, 16}
    for key in ("tokens_per_second", "train_seconds", "peak_memory_bytes"):
        assert results[key] > 0
    assert set(results["corpus"]) >= {"name", "sha256", "tokens"}
    assert "torch" in results["versions"]

    with open(folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows if row.get("val/loss")]
    assert steps == [6 - 1, 12 - 1] or steps == [6, 12]


def test_best_is_the_lowest_validation_loss(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    results, folder = run("optimizer.lr=1")  # so high a rate that later weights are worse
    with open(folder / "metrics.csv") as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]
    assert results["val"]["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_drop_after_is_scored_without_its_scheme(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    results, folder = run(  # it drops at step 9; the rising rate makes later weights worse
        "position=drop_after", "trainer.val_check_interval=3", "optimizer.lr=1", "optimizer.warmup_fraction=1"
    )
    with open(folder / "metrics.csv") as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]
    assert losses[-1] > min(losses), "the lowest loss must come before the drop, otherwise this test shows nothing"
    assert torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["global_step"] == 12
    assert results["val"]["loss"] == pytest.approx(losses[-1], rel=1e-6)
    assert results["cautions"] == []


def test_the_same_command_gives_the_same_bits_twice(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    settings = ("model.dropout=0.1", "position=shaw")
    (first, folder1), (second, folder2) = run(*settings), run(*settings)
    assert weights_hash(folder1) == weights_hash(folder2)
    assert first["val"] == second["val"]
    (_, other) = run(*settings, "seed=1")
    assert weights_hash(other) != weights_hash(folder1)


def test_training_beats_the_baselines(run: Callable[..., tuple[dict[str, Any], Path]], tmp_path: Path) -> None:
    text = tmp_path / "cycle.txt"
    text.write_text("aaababbb" * 2000)  # the last letter hardly predicts the next one, the last three do exactly
    results, _ = run(f"corpus.path={text}", "data.stride=7", "trainer.max_steps=200", "optimizer.lr=0.01")
    baselines = results["baselines"]
    assert results["val"]["loss"] < min(baselines["bigram"], baselines["unigram"], baselines["unigram_entropy"])


def test_a_run_shorter_than_every_interval_still_validates_and_saves(
    run: Callable[..., tuple[dict[str, Any], Path]],
) -> None:
    _, folder = run("trainer.max_steps=3", "trainer.val_check_interval=100", "trainer.log_every_n_steps=50")
    assert (folder / "checkpoints" / "best.ckpt").is_file()
    with open(folder / "metrics.csv") as file:
        assert [row["val/loss"] for row in csv.DictReader(file)][-1]


def test_losses_are_logged_at_their_own_step(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    _, every = run("trainer.log_every_n_steps=1")
    _, some = run("trainer.log_every_n_steps=4")

    def losses(folder: Path) -> dict[str, str]:
        with open(folder / "metrics.csv") as file:
            return {row["step"]: row["train/loss"] for row in csv.DictReader(file) if row["train/loss"]}

    assert set(losses(some)) == {"3", "7", "11"}
    assert losses(some).items() <= losses(every).items()


def test_linear_head_trains(run: Callable[..., tuple[dict[str, Any], Path]]) -> None:
    results, _ = run("model=linear", "model.embedding_dim=16", "trainer.max_steps=100", "optimizer.lr=0.05")
    assert results["val"]["loss"] < results["baselines"]["unigram"]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_pretrained_table(
    run: Callable[..., tuple[dict[str, Any], Path]], tmp_path: Path, frozen: bool, suffix: str
) -> None:
    table = torch.randn(257, 16, generator=torch.Generator().manual_seed(5)) * 0.02
    path = tmp_path / f"table{suffix}"
    np.save(path, table.numpy()) if suffix == ".npy" else save_file({"tokens": table}, path)
    _, folder = run(f"model.token_table.path={path}", f"model.token_table.frozen={frozen}")
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(state["model.tokens.weight"], table) == frozen


def test_pretrained_table_as_word2vec_text(run: Callable[..., tuple[dict[str, Any], Path]], tmp_path: Path) -> None:
    from embedlab.config.groups import TokenizerConfig
    from embedlab.data.token_labels import token_label
    from embedlab.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(TokenizerConfig(name="bytes", vocab_size=None), tmp_path)
    table = np.random.default_rng(1).normal(size=(257, 16)).round(3)
    order = np.random.default_rng(2).permutation(257)  # rows may be in any order, because labels name the tokens
    lines = [" ".join([token_label(tokenizer, int(token)), *map(str, table[token])]) for token in order]
    path = tmp_path / "table.txt"
    path.write_text("\n".join(["257 16", *lines, ""]), encoding="utf-8")
    _, folder = run(f"model.token_table.path={path}", "model.token_table.frozen=true")
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    np.testing.assert_allclose(state["model.tokens.weight"].numpy(), table, rtol=1e-6)

    path.write_text("\n".join(["256 16", *lines[1:], ""]), encoding="utf-8")
    with pytest.raises(UserError, match="256 of the 257 tokens"):
        run(f"model.token_table.path={path}")
    path.write_text("\n".join(["257 16", "nonsense " + " ".join(["0"] * 16)]), encoding="utf-8")
    with pytest.raises(UserError, match="'nonsense' is not among the 257 tokens"):
        run(f"model.token_table.path={path}")


@pytest.mark.parametrize("shape", [(257, 8), (100, 16), (257,)])
def test_a_table_of_wrong_shape_names_both_shapes(
    run: Callable[..., tuple[dict[str, Any], Path]], tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "table.npy"
    np.save(path, np.zeros(shape, dtype=np.float32))
    sizes = " x ".join(map(str, shape))
    with pytest.raises(UserError, match=rf"holds {sizes}, but the model needs 257 x 16"):
        run(f"model.token_table.path={path}")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.npy", None, "does not exist"),
        ("table.npy", b"junk", "cannot be read"),
        ("table.safetensors", b"junk", "cannot be read"),
        ("table.txt", b"junk", "cannot be read"),
        ("table.bin", b"junk", "unknown ending"),
    ],
)
def test_an_unreadable_table_is_refused(
    run: Callable[..., tuple[dict[str, Any], Path]], tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"model\.token_table\.path=.*{name}.*{words}"):
        run(f"model.token_table.path={tmp_path / name}")
