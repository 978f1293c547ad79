"""Token tables trained elsewhere, read from .safetensors, .npy or word2vec text."""

from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from embedlab.config.errors import UserError
from embedlab.config.home import expand_user
from embedlab.data.token_labels import token_label
from embedlab.data.tokenizer import Tokenizer


def load_table(path: str, tokenizer: Tokenizer, embedding_dim: int) -> Tensor:
    """Read (V, D) float32 vectors in the order of the tokenizer's ids.

    Raises UserError if the file cannot be read, its shape is not (V, D) or the vocabulary lacks one of its tokens.
    """
    key = f"model.token_table.path={path}"
    file = Path(expand_user(path, "model.token_table.path"))
    if not file.is_file():
        raise UserError(f"{key} does not exist: give a .safetensors, .npy or word2vec .txt file")
    readers = {".safetensors": _read_safetensors, ".npy": _read_npy}
    try:
        if file.suffix in readers:
            table, labels = readers[file.suffix](file)
            _check_labels(labels, tokenizer)
        elif file.suffix in (".txt", ".vec", ".w2v"):
            table = _read_word2vec(file, tokenizer)
        else:
            raise UserError(f"{key} has an unknown ending: give .safetensors, .npy, or word2vec text as .txt or .vec")
    except UserError as error:
        raise UserError(f"{key}: {error}" if key not in str(error) else str(error)) from error
    except (OSError, ValueError, IndexError, SafetensorError) as error:
        raise UserError(f"{key} cannot be read ({error}): write it again, or choose another format") from error
    wanted = (tokenizer.vocab_size, embedding_dim)
    if tuple(table.shape) != wanted:
        raise UserError(
            f"{key} holds {_format_size(table.shape)}, but the model needs {_format_size(wanted)}: change "
            "model.embedding_dim or tokenizer, or give the table of this vocabulary"
        )
    if not table.isfinite().all():
        raise UserError(f"{key} holds NaN or infinite numbers: give a table whose training did not diverge")
    return table


def _read_safetensors(file: Path) -> tuple[Tensor, list[str]]:
    """Return the table, and the labels of its rows where `python -m embedlab.export` wrote it, else none."""
    with safe_open(file, framework="pt") as opened:
        joined = (opened.metadata() or {}).get("labels", "")
        labels = joined.split("\n") if joined else []
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
    matrices = {name: tensor for name, tensor in tensors.items() if tensor.dim() == 2}
    if "tokens" in matrices:
        return matrices["tokens"].float(), labels
    if len(matrices) != 1:
        raise UserError(f"it holds {len(matrices)} matrices and none named tokens: keep only the token table in it")
    return next(iter(matrices.values())).float(), labels


def _read_npy(file: Path) -> tuple[Tensor, list[str]]:
    """Return the table, and the labels of its rows where the export's second file lies beside it, else none."""
    beside = file.with_name(f"{file.stem}.labels.txt")
    labels = beside.read_text(encoding="utf-8").split("\n")[:-1] if beside.is_file() else []
    return torch.from_numpy(np.load(file, allow_pickle=False).astype(np.float32)), labels


def _check_labels(labels: list[str], tokenizer: Tokenizer) -> None:
    """Raise UserError for rows in another order than the tokenizer's: the shape alone would not show it."""
    for row, label in enumerate(labels[: tokenizer.vocab_size]):
        if label != (own := token_label(tokenizer, row)):
            raise UserError(
                f"its row {row} is {label!r} by its labels, but {own!r} in tokenizer={tokenizer.name}: give the "
                "tokenizer that it was trained with, or word2vec text, which is read by label"
            )


def _read_word2vec(file: Path, tokenizer: Tokenizer) -> Tensor:
    """Read a first line `rows width`, then `label number number …`; labels as `python -m embedlab.export` has them.

    Raises UserError for a token that stands there twice and where the first line counts other rows than follow.
    """
    ids = {token_label(tokenizer, token): token for token in range(tokenizer.vocab_size)}
    with open(file, encoding="utf-8") as lines:
        n_rows, width = map(int, next(lines, "").split())
        rows: dict[str, int] = {}  # label: the line that it appears on
        table = np.full((tokenizer.vocab_size, width), np.nan, dtype=np.float32)
        for number, line in enumerate(lines, 2):
            name, *numbers = line.rstrip("\n").rstrip(" ").split(" ")
            if name not in ids:
                raise UserError(
                    f"{name!r} is not among the {tokenizer.vocab_size} tokens of tokenizer={tokenizer.name}"
                )
            if len(numbers) != width:
                raise UserError(f"{name!r} has {len(numbers)} numbers, but the first line says {width}")
            if name in rows:
                raise UserError(f"{name!r} appears on lines {rows[name]} and {number}: keep one vector for each token")
            rows[name] = number
            table[ids[name]] = np.array(numbers, dtype=np.float32)
    if len(rows) != n_rows:
        raise UserError(f"the first line says {n_rows} rows, but {len(rows)} follow: the file is cut off or was edited")
    found = int((~np.isnan(table).any(1)).sum())
    if found < tokenizer.vocab_size:
        raise UserError(f"it holds {found} of the {tokenizer.vocab_size} tokens of the vocabulary: give all of them")
    return torch.from_numpy(table)


def _format_size(shape: tuple[int, ...] | torch.Size) -> str:
    return " x ".join(map(str, shape))
