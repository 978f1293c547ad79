"""Measures of the trained tables: directions in use, how frequency shows in the vectors, and nearest neighbours.

D width, R rows measured.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.data.token_counts import count_tokens, most_frequent_first
from embedlab.data.tokenizer import Tokenizer
from embedlab.evaluation.loss import evaluating
from embedlab.evaluation.neighbours import nearest
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.measured import Neighbour, Neighbours, PositionTable, Tables, TokenTable

MAX_ROWS = 2000  # the most frequent tokens of the text
N_WORDS, N_NEIGHBOURS = 12, 5


def measure_tables(model: LanguageModel, ids: np.ndarray, tokenizer: Tokenizer) -> Tables:
    """Measure the token table, the scheme's table (None if it has none) and the nearest neighbours of tokens.

    Only the most frequent tokens of the text `ids` are measured: the others hardly moved from their random start.
    """
    counts = count_tokens(ids)
    tokens = most_frequent_first(counts, unseen=False)[:MAX_ROWS]
    counts = counts[tokens]
    with evaluating(model):
        rows = model.tokens.weight[torch.from_numpy(tokens)].cpu().double()  # (R, D)
        positions = model.scheme.table()
        return {
            "token": measure_token_table(rows, counts),
            "position": None if positions is None else measure_position_table(positions.cpu().double()),
            "neighbours": list_neighbours(rows, tokens, counts, tokenizer),
        }


def measure_token_table(rows: Tensor, counts: np.ndarray) -> TokenTable:
    """Measure the rows (R, D) of tokens that occur `counts` (R,) times.

    norm_log_frequency is Pearson's correlation of a row's length with the log of its count; None if one is constant.
    """
    log_counts = torch.from_numpy(np.log(counts))
    both = torch.stack([rows.norm(dim=1), log_counts])
    varies = len(rows) > 1 and bool((both.std(1) > 0).all())
    return {
        "rows": len(rows),
        "effective_rank": effective_rank(rows),
        "isotropy": isotropy(rows),
        "mean_cosine": mean_cosine(rows),
        "norm_log_frequency": float(torch.corrcoef(both)[0, 1]) if varies else None,
    }


def measure_position_table(table: Tensor) -> PositionTable:
    """Measure a table (R, width) of positions or distances.

    similarity_by_distance is the mean cosine of rows that are 0, 1, … R - 1 apart.
    """
    unit = F.normalize(table[:MAX_ROWS], dim=1)
    cosines = unit @ unit.T  # (R, R)
    return {
        "rows": len(table),
        "effective_rank": effective_rank(table),
        "similarity_by_distance": [round(float(cosines.diagonal(-apart).mean()), 5) for apart in range(len(unit))],
    }


def effective_rank(rows: Tensor) -> float:
    """Compute exp of the entropy of the singular values' shares: 1 for one direction, D for D equal ones.

    Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality", definition 1.
    """
    shares = torch.linalg.svdvals(rows)
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())


def isotropy(rows: Tensor) -> float:
    """Compute min Z(c) / max Z(c), with Z(c) = Σ exp(c·row), over the eigenvectors c of rowsᵀ·rows with both signs.

    1 if all directions are alike, near 0 if one dominates. Short rows are near 1 merely because they are short.
    Mu & Viswanath 2018, "All-but-the-Top", equation 2 and below; both signs, because an eigenvector's is arbitrary.
    """
    axes = torch.linalg.eigh(rows.T @ rows).eigenvectors  # (D, D), columns
    along = rows @ axes  # (R, D)
    log_z = torch.cat([along, -along], 1).logsumexp(0)
    return float((log_z.min() - log_z.max()).exp())


def mean_cosine(rows: Tensor) -> float:
    """Compute the mean cosine of two different rows: 0 if they point everywhere, 1 if all point the same way."""
    unit, R = F.normalize(rows, dim=1), len(rows)
    if R == 1:
        return 1.0
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (R * (R - 1)))


def list_neighbours(rows: Tensor, tokens: np.ndarray, counts: np.ndarray, tokenizer: Tokenizer) -> list[Neighbours]:
    """List the nearest other rows by cosine of the most frequent tokens that consist of letters.

    rows (R, D) belong to `tokens` (R,), which occur `counts` (R,) times, the most frequent first.
    """
    words = [i for i, token in enumerate(tokens) if tokenizer.decode([token]).strip().isalpha()][:N_WORDS]
    near = nearest(rows.numpy(), np.array(words, dtype=np.int64), N_NEIGHBOURS)
    found: list[Neighbours] = []
    for i, near_rows, cosines in zip(words, near.rows.tolist(), near.cosines.tolist(), strict=True):
        near_tokens: list[Neighbour] = [
            {"token": tokenizer.decode([tokens[j]]), "cosine": round(cosine, 4)}
            for j, cosine in zip(near_rows, cosines, strict=True)
        ]
        found.append({"token": tokenizer.decode([tokens[i]]), "count": int(counts[i]), "neighbours": near_tokens})
    return found
