"""Take a run's token table elsewhere: `python -m embedlab.export RUN_FOLDER --format word2vec|safetensors|npy|tsv`.

Rows stand in the order of the token ids. Labels are those of the projector: without blanks, unique, and
`embedlab.data.token_labels.raw` turns one back into the token's bytes. word2vec text is what gensim's
`KeyedVectors.load_word2vec_format` reads; a new run takes word2vec, safetensors and npy by `model.token_table.path`.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from embedlab.config.errors import UserError
from embedlab.config.settings import expanded

if TYPE_CHECKING:
    import numpy as np

    Table = np.ndarray  # (V, D) float32


def main(arguments: list[str] | None = None) -> None:
    """The command line; one line and exit status 1 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m embedlab.export", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER", help="folder of one run: it holds checkpoints/")
    parser.add_argument("--format", choices=WRITERS, default="word2vec", help="what to write (default: word2vec)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="file to write (default: tokens.* in the run's folder)")
    chosen = parser.parse_args(arguments)
    try:
        for path in export(chosen.run, chosen.format, chosen.to):
            print(path)
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")


def export(run: Path, form: str, to: Path | None = None) -> list[Path]:
    """Write the table of `run`'s best weights; returns the files. UserError where the folder holds no finished run."""
    ending, write = WRITERS[form]
    weight, labels = read_run(run)
    target = run / f"tokens{ending}" if to is None else to
    if not target.parent.is_dir():
        raise UserError(f"--to {target}: there is no folder {target.parent}")
    return write(target, weight, labels)


def read_run(run: Path) -> "tuple[Table, list[str]]":
    """Token table and labels of a run's best checkpoint, or of its last one where nothing was validated."""
    checkpoints = [run / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    found = next((path for path in checkpoints if path.is_file()), None)
    settings = run / ".hydra" / "config.yaml"
    if found is None or not settings.is_file():
        raise UserError(f"{run} is no run's folder: give one that holds checkpoints/best.ckpt and .hydra/config.yaml")

    import torch  # seconds that a mistyped folder need not wait for

    from embedlab.config.tree import TokenizerConfig
    from embedlab.data.token_labels import token_label
    from embedlab.data.tokenizer import load_tokenizer

    try:
        weight = torch.load(found, map_location="cpu", weights_only=True)["state_dict"]["model.tokens.weight"]
    except Exception as error:  # torch raises whatever the broken bytes make it raise
        raise UserError(f"{found} cannot be read: train the run again ({type(error).__name__})") from error
    config = OmegaConf.load(settings)
    tokenizer = load_tokenizer(TokenizerConfig(**config.tokenizer), expanded(config.cache_dir, "cache_dir"))
    labels = [token_label(tokenizer, token) for token in range(tokenizer.vocab_size)]
    if len(labels) != len(weight):
        raise UserError(f"{found} has {len(weight)} tokens, but tokenizer={tokenizer.name} has {len(labels)}")
    return weight.float().numpy(), labels


def write_word2vec(target: Path, weight: "Table", labels: list[str]) -> list[Path]:
    """First line `V D`, then a line `label number …` a token; nine digits, so that float32 comes back exactly."""
    row = " ".join(["%.9g"] * weight.shape[1])
    lines = (f"{label} {row % tuple(vector.tolist())}\n" for label, vector in zip(labels, weight, strict=True))
    head = f"{weight.shape[0]} {weight.shape[1]}\n"
    return [_replace(target, lambda path: path.write_text(head + "".join(lines), encoding="utf-8"))]


def write_safetensors(target: Path, weight: "Table", labels: list[str]) -> list[Path]:
    """The tensor `tokens`, and the labels, one a line, in the file's metadata."""
    from safetensors.numpy import save_file

    return [_replace(target, lambda path: save_file({"tokens": weight}, path, metadata={"labels": "\n".join(labels)}))]


def write_npy(target: Path, weight: "Table", labels: list[str]) -> list[Path]:
    """The table, and a second file with the labels, one a line."""
    import numpy as np

    def save(path: Path) -> None:
        with open(path, "wb") as file:
            np.save(file, weight)

    return [_replace(target, save), _write_labels(target, labels)]


def write_tsv(target: Path, weight: "Table", labels: list[str]) -> list[Path]:
    """Numbers between tabs, and a second file with the labels: what projector.tensorflow.org loads."""
    row = "\t".join(["%.9g"] * weight.shape[1]) + "\n"
    text = "".join(row % tuple(vector.tolist()) for vector in weight)
    return [_replace(target, lambda path: path.write_text(text)), _write_labels(target, labels)]


def _write_labels(target: Path, labels: list[str]) -> Path:
    text = "\n".join(labels) + "\n"
    beside = target.with_name(target.stem + ".labels.txt")
    return _replace(beside, lambda path: path.write_text(text, encoding="utf-8"))


def _replace(target: Path, write: Callable[[Path], object]) -> Path:
    """Nobody ever reads half a file."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


WRITERS: dict[str, tuple[str, "Callable[[Path, Table, list[str]], list[Path]]"]] = {
    "word2vec": (".txt", write_word2vec),
    "safetensors": (".safetensors", write_safetensors),
    "npy": (".npy", write_npy),
    "tsv": (".tsv", write_tsv),
}

if __name__ == "__main__":
    main()
