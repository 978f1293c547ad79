"""The tables that the projector shows of a model: tokens, positions, sums of both, and distances.

V vocabulary, D model width, L trained window, H heads. Each function returns a `Table`, or None if the scheme has no
such table. A table's first rows are the most frequent tokens or the nearest positions or distances.
"""

from collections.abc import Sequence

import numpy as np
import torch

from embedlab.data.token_counts import Ids
from embedlab.data.token_labels import Vocabulary, token_kind, token_label
from embedlab.evaluation.neighbours import nearest
from embedlab.positions.base import Scheme
from embedlab.positions.site import square
from embedlab.tensorboard.projector_files import NEXT_POINT, Table


def token_table(weight: torch.Tensor, tokenizer: Vocabulary, counts: Ids, ids: Ids, neighbours_of: int) -> Table:
    """Return the rows `ids` of the token table (V, D), with what is known of each token.

    The first `neighbours_of` rows list their nearest neighbours (by cosine, among the rows shown): the vectors of rare
    tokens hardly move from their random start.
    """
    vectors = weight.detach()[torch.from_numpy(ids)].float().numpy(force=True)
    labels = [token_label(tokenizer, token) for token in ids.tolist()]
    near = nearest(vectors, np.arange(min(neighbours_of, len(ids))), 5).rows
    reported = [" ".join(labels[row] for row in rows) for rows in near.tolist()]
    columns: dict[str, Sequence[object]] = {
        "token": labels,
        "kind": [token_kind(tokenizer, token) for token in ids.tolist()],
        "log10 count": np.log10(1 + counts[ids]).round(3).tolist(),
        "rank": range(1, len(ids) + 1),
        "bytes": [len(tokenizer.token_bytes(token)) for token in ids.tolist()],
        "id": ids.tolist(),
    }
    if reported:
        columns["neighbours"] = reported + [""] * (len(ids) - len(reported))
    return Table("tokens", vectors, columns)


@torch.no_grad()
def position_table(scheme: Scheme) -> Table | None:
    """Return what the scheme adds to the zero vector at positions 0 … L-1, joined by a line in order."""
    if "embed" not in scheme.hooks():
        return None
    L, D = scheme.shape.context_length, scheme.shape.embedding_dim
    zeros = torch.zeros(1, L, D, device=_device(scheme))
    vectors = scheme.embed(zeros, square(torch.arange(L, device=zeros.device)))[0]  # (L, D)
    return _line("positions", vectors, [f"position {i}" for i in range(L)])


@torch.no_grad()
def relative_table(scheme: Scheme) -> Table | None:
    """Return the scheme's own table of distances; None if it has none."""
    vectors = scheme.table()
    if vectors is None or vectors.dim() != 2 or "embed" in scheme.hooks():
        return None
    return _line("relative", vectors, scheme.table_rows())


@torch.no_grad()
def bias_table(scheme: Scheme) -> Table | None:
    """Return what the scheme adds to the logits at distances 0 … L-1: one point (layers · H,) per distance."""
    layers = [layer for layer in range(scheme.shape.n_layers) if "bias" in scheme.hooks(layer)]
    if not layers:
        return None
    L = scheme.shape.context_length
    curves = [bias_by_distance(scheme, layer) for layer in layers]
    return _line("bias by distance", torch.cat(curves).T, [f"distance {i}" for i in range(L)])


@torch.no_grad()
def bias_by_distance(scheme: Scheme, layer: int) -> torch.Tensor:
    """Return the bias (H, L) of the trained window's last query for keys 0 … L-1 tokens back."""
    positions = torch.arange(scheme.shape.context_length, device=_device(scheme))
    site = scheme.locate(square(positions, layer))
    last = site._replace(queries=site.queries[-1:])
    return scheme.bias(last)[:, 0].flip(-1).float()  # (H, 1, L) -> (H, L), nearest key first


@torch.no_grad()
def sum_table(
    scheme: Scheme, weight: torch.Tensor, tokenizer: Vocabulary, ids: Sequence[int], places: int
) -> Table | None:
    """Return token + position for each token at up to `places` positions spread evenly over the window.

    A line joins the points of one token.
    """
    if "embed" not in scheme.hooks() or not ids:
        return None
    spread = torch.linspace(0, scheme.shape.context_length - 1, places, device=_device(scheme)).long()
    positions = torch.unique_consecutive(spread)
    x = weight.detach()[list(ids)].float()[:, None].expand(-1, len(positions), -1)  # (words, positions, D)
    words = [token_label(tokenizer, token) for token in ids for _ in positions]
    where = positions.tolist() * len(ids)
    labels = [f"{word}@{position}" for word, position in zip(words, where, strict=True)]
    table = _line("tokens at positions", scheme.embed(x, square(positions)).flatten(0, 1), labels)
    ends = {row for row in range(len(where)) if (row + 1) % len(positions) == 0}
    following = ["" if row in ends else row + 1 for row in range(len(where))]
    return Table(table.name, table.vectors, {**table.columns, "word": words, "position": where, NEXT_POINT: following})


def _line(name: str, vectors: torch.Tensor, labels: list[str]) -> Table:
    """Return a table whose points are joined by a line in order."""
    following = [*range(1, len(labels)), ""]
    order = range(len(labels))
    return Table(name, vectors.float().numpy(force=True), {"row": labels, "order": order, NEXT_POINT: following})


def _device(scheme: Scheme) -> torch.device:
    return next((weight.device for weight in scheme.parameters()), torch.device("cpu"))
