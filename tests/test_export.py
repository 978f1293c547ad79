"""Exported tables, read by the libraries that use them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors import safe_open

from embedlab import export
from embedlab.config.errors import UserError
from embedlab.config.groups import TokenizerConfig
from embedlab.data.token_labels import raw
from embedlab.data.tokenizer import load_tokenizer
from embedlab.model.pretrained import load_table

VOCAB, D = 700, 5
WEIGHT = torch.randn(VOCAB, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with the files that the export reads."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / ".hydra").mkdir()
    torch.save({"state_dict": {"model.tokens.weight": WEIGHT}}, tmp_path / "checkpoints" / "best.ckpt")
    config = {"tokenizer": {"name": "gpt2", "vocab_size": VOCAB}, "cache_dir": str(tmp_path / "cache")}
    OmegaConf.save(OmegaConf.create(config), tmp_path / ".hydra" / "config.yaml")
    return tmp_path


@pytest.fixture
def tokens() -> list[bytes]:
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", VOCAB), Path())
    return [tokenizer.token_bytes(token) for token in range(VOCAB)]


def test_word2vec_by_gensim(run: Path, tokens: list[bytes]) -> None:
    gensim = pytest.importorskip("gensim.models", reason="no gensim: pip install gensim", exc_type=ImportError)
    (path,) = export.export(run, "word2vec")
    vectors = gensim.KeyedVectors.load_word2vec_format(str(path))
    assert [raw(label) for label in vectors.index_to_key] == tokens
    assert (vectors.vectors == WEIGHT.numpy()).all()


def test_safetensors(run: Path, tokens: list[bytes]) -> None:
    (path,) = export.export(run, "safetensors")
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("tokens"), WEIGHT)
        assert [raw(label) for label in file.metadata()["labels"].split("\n")] == tokens


def test_npy_and_tsv_with_a_file_of_labels(run: Path, tokens: list[bytes]) -> None:
    for form, read in (("npy", np.load), ("tsv", lambda path: np.loadtxt(path, dtype=np.float32, delimiter="\t"))):
        table, labels = export.export(run, form)
        assert (read(table) == WEIGHT.numpy()).all()
        assert [raw(label) for label in labels.read_text(encoding="utf-8").splitlines()] == tokens


@pytest.mark.parametrize("form", ["word2vec", "safetensors", "npy"])
def test_a_new_run_reads_the_table(run: Path, form: str) -> None:
    path = export.export(run, form)[0]
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", VOCAB), run / "cache")
    assert torch.equal(load_table(str(path), tokenizer, D), WEIGHT)


def test_the_command_prints_what_it_wrote(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export.main([str(run), "--format", "npy", "--to", str(run / "mine.npy")])
    assert capsys.readouterr().out.splitlines() == [str(run / "mine.npy"), str(run / "mine.labels.txt")]
    assert not [*run.glob(".mine*")]


def test_an_existing_file_is_never_overwritten(run: Path) -> None:
    first = {path: path.read_bytes() for path in export.export(run, "npy", run / "mine.npy")}
    assert set(export.export(run, "npy", run / "mine.npy")) == set(first), "the same again is no change"
    (run / "mine.labels.txt").write_text("edited")
    (run / "mine.npy").unlink()
    with pytest.raises(UserError, match=r"--to .*mine\.labels\.txt is there already and holds something else"):
        export.export(run, "npy", run / "mine.npy")
    assert not (run / "mine.npy").exists(), "one of two files is no export"
    assert (run / "mine.labels.txt").read_text() == "edited"
    (run / "broken.txt").symlink_to(run / "nowhere.txt")
    (run / "folder.txt").mkdir()
    for target in ("broken.txt", "folder.txt"):
        with pytest.raises(UserError, match="is there already"):
            export.export(run, "word2vec", run / target)
    assert not (run / "nowhere.txt").exists()
    assert not [*run.glob(".mine*"), *run.glob(".broken*")]


def test_last_weights_if_nothing_was_validated(run: Path) -> None:
    (run / "checkpoints" / "best.ckpt").rename(run / "checkpoints" / "last.ckpt")
    assert export.export(run, "npy")


def test_mistakes_are_reported_in_one_line(run: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (
            [str(tmp_path / "nowhere")],
            r"error: .*nowhere is not a run's folder: give one with checkpoints/best.ckpt",
        ),
        ([str(run), "--to", str(tmp_path / "no" / "x.txt")], "error: --to .* there is no folder"),
    ):
        with pytest.raises(SystemExit, match=message):
            export.main(arguments)
    config = {"tokenizer": {"name": "bytes", "vocab_size": None}, "cache_dir": "x"}
    OmegaConf.save(OmegaConf.create(config), run / ".hydra" / "config.yaml")
    with pytest.raises(SystemExit, match="has 700 tokens, but tokenizer=bytes has 257"):
        export.main([str(run)])
    (run / "checkpoints" / "best.ckpt").write_bytes(b"half a file")
    with pytest.raises(SystemExit, match=r"best\.ckpt cannot be read: train the run again"):
        export.main([str(run)])
