"""Export a run's token table: `python -m embedlab.export RUN_FOLDER --format word2vec|safetensors|npy|tsv`.

Rows are in the order of the token ids. Labels are those of the projector: without blanks and unique, and
`embedlab.data.token_labels.raw` returns the bytes of the token. gensim's `KeyedVectors.load_word2vec_format` reads the
word2vec text; a new run reads word2vec, safetensors and npy with `model.token_table.path`.
"""

import argparse
import filecmp
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.config.paths import with_values
from embedlab.config.program import program
from embedlab.runs.escaping import printable
from embedlab.runs.read_config import relative_paths
from embedlab.runs.signals import exit_at_once, handle_signals
from embedlab.runs.streams import accept_any_text
from embedlab.runs.weights import find_checkpoint

Files = dict[Path, Callable[[Path], object]]  # files to write, each with the function that writes it to a path

if TYPE_CHECKING:
    import numpy as np

    Table = np.ndarray  # (V, D) float32


def main(arguments: list[str] | None = None) -> None:
    """Run the command; exit with status 1 and one line for a UserError."""
    parser = argparse.ArgumentParser(prog=program("export"), description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER", help="folder of one run: it holds checkpoints/")
    parser.add_argument("--format", choices=FORMATS, default="word2vec", help="what to write (default: word2vec)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="file to write (default: tokens.* in the run's folder)")
    accept_any_text()
    chosen = parser.parse_args(arguments)
    try:
        with handle_signals(exit_at_once):
            run = Path(expand_user(str(chosen.run), "RUN_FOLDER"))
            to = chosen.to and Path(expand_user(str(chosen.to), "--to"))
            for path in export(run, chosen.format, to):
                print(printable(str(path)))
    except (UserError, OSError) as error:
        sys.exit(printable(f"error: {error}"))


def export(run: Path, form: str, to: Path | None = None) -> list[Path]:
    """Write the token table of the run's best checkpoint and return the files.

    Raises UserError if the folder holds no run with weights, or if a file would be overwritten.
    """
    ending, files = FORMATS[form]
    weight, labels = read_run(run)
    target = run / f"tokens{ending}" if to is None else to
    if not target.parent.is_dir():
        raise UserError(f"--to {target}: there is no folder {target.parent}")
    return write_new(files(target, weight, labels))


def read_run(run: Path) -> "tuple[Table, list[str]]":
    """Return token table and labels of a run's best checkpoint, or of its last one if nothing was validated."""
    settings = run / ".hydra" / "config.yaml"
    if not (run / "checkpoints").is_dir() or not settings.is_file():
        raise UserError(f"{run} is not a run's folder: give one with checkpoints/best.ckpt and .hydra/config.yaml")
    found = find_checkpoint(run)

    import torch  # seconds that a mistyped folder need not wait for

    from embedlab.config.groups import TokenizerConfig
    from embedlab.data.token_labels import token_label
    from embedlab.data.tokenizer import load_tokenizer

    try:
        weight = torch.load(found, map_location="cpu", weights_only=True)["state_dict"]["model.tokens.weight"]
    except Exception as error:  # torch raises various types for a damaged file
        raise UserError(f"{found} cannot be read: train the run again ({type(error).__name__})") from error
    config = OmegaConf.load(settings)
    assert isinstance(config, DictConfig)
    config = with_values(config, relative_paths(run, config))
    tokenizer = load_tokenizer(TokenizerConfig(**config.tokenizer), Path(expand_user(config.cache_dir, "cache_dir")))
    labels = [token_label(tokenizer, token) for token in range(tokenizer.vocab_size)]
    if len(labels) != len(weight):
        raise UserError(f"{found} has {len(weight)} tokens, but tokenizer={tokenizer.name} has {len(labels)}")
    return weight.float().numpy(), labels


def word2vec(target: Path, weight: "Table", labels: list[str]) -> Files:
    """Write the line `V D`, then a line `label number …` for each token, with the nine digits that float32 needs."""
    row = " ".join(["%.9g"] * weight.shape[1])
    lines = (f"{label} {row % tuple(vector.tolist())}\n" for label, vector in zip(labels, weight, strict=True))
    head = f"{weight.shape[0]} {weight.shape[1]}\n"
    return {target: lambda path: path.write_text(head + "".join(lines), encoding="utf-8")}


def safetensors(target: Path, weight: "Table", labels: list[str]) -> Files:
    """Write the tensor `tokens`, with one label a line in the file's metadata."""
    from safetensors.numpy import save_file

    return {target: lambda path: save_file({"tokens": weight}, path, metadata={"labels": "\n".join(labels)})}


def npy(target: Path, weight: "Table", labels: list[str]) -> Files:
    """Write the table, and a second file with one label a line."""
    import numpy as np

    def save(path: Path) -> None:
        with open(path, "wb") as file:
            np.save(file, weight)

    return {target: save, **label_file(target, labels)}


def tsv(target: Path, weight: "Table", labels: list[str]) -> Files:
    """Write numbers between tabs, and a second file with the labels, as projector.tensorflow.org loads them."""
    row = "\t".join(["%.9g"] * weight.shape[1]) + "\n"
    text = "".join(row % tuple(vector.tolist()) for vector in weight)
    return {target: lambda path: path.write_text(text), **label_file(target, labels)}


def label_file(target: Path, labels: list[str]) -> Files:
    """Write `NAME.labels.txt` beside the target."""
    text = "\n".join(labels) + "\n"
    return {target.with_name(target.stem + ".labels.txt"): lambda path: path.write_text(text, encoding="utf-8")}


def write_new(files: Files) -> list[Path]:
    """Write all files atomically; one that exists with the same content is left as it is.

    Raises UserError, with nothing written, if one of them exists with another content: it may not be ours.
    """
    parts = {target: target.with_name(f".{target.name}.{os.getpid()}") for target in files}
    try:
        for target, write in files.items():
            write(parts[target])
            if os.path.lexists(target) and not (target.is_file() and filecmp.cmp(target, parts[target], shallow=False)):
                raise UserError(f"--to {target} is there already and holds something else: give another, or move it")
        for target, part in parts.items():
            if not target.exists():
                os.replace(part, target)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return list(files)


FORMATS: dict[str, tuple[str, "Callable[[Path, Table, list[str]], Files]"]] = {
    "word2vec": (".txt", word2vec),
    "safetensors": (".safetensors", safetensors),
    "npy": (".npy", npy),
    "tsv": (".tsv", tsv),
}

if __name__ == "__main__":
    main()
