"""What the trained tables look like: directions in use, whether frequent tokens stand apart, who is near whom.

V vocabulary, D width, R rows looked at.
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
from embedlab.runs.results import Neighbour, Neighbours, PositionTable, Tables, TokenTable

MAX_ROWS = 2000  # the most frequent tokens of the text
N_WORDS, N_NEIGHBOURS = 12, 5


def tables(model: LanguageModel, ids: np.ndarray, tokenizer: Tokenizer) -> Tables:
    """`token`, `position` (None where the scheme has no table) and `neighbours`, as the functions below say.

    Of the token table only the most frequent tokens of the text `ids` count: others hardly moved from their random
    start.
    """
    counts = count_tokens(ids)
    tokens = most_frequent_first(counts, unseen=False)[:MAX_ROWS]
    counts = counts[tokens]
    with evaluating(model):
        rows = model.tokens.weight[torch.from_numpy(tokens)].cpu().double()  # (R, D)
        positions = model.scheme.table()
        return {
            "token": token_table_figures(rows, counts),
            "position": None if positions is None else position_table_figures(positions.cpu().double()),
            "neighbours": neighbours(rows, tokens, counts, tokenizer),
        }


def token_table_figures(rows: Tensor, counts: np.ndarray) -> TokenTable:
    """rows (R, D) of tokens that occur `counts` (R,) times -> effective_rank, isotropy, mean_cosine,
    norm_log_frequency (Pearson's correlation of a row's length with the log of its count; None where one is constant).
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


def position_table_figures(table: Tensor) -> PositionTable:
    """table (R, width) of places or distances -> effective_rank, and similarity_by_distance: the mean cosine of rows
    that stand 0, 1, … R - 1 apart."""
    unit = F.normalize(table[:MAX_ROWS], dim=1)
    cosines = unit @ unit.T  # (R, R)
    return {
        "rows": len(table),
        "effective_rank": effective_rank(table),
        "similarity_by_distance": [round(float(cosines.diagonal(-apart).mean()), 5) for apart in range(len(unit))],
    }


def effective_rank(rows: Tensor) -> float:
    """exp of the entropy of the singular values' shares: 1 for one direction, D for D equal ones.

    Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality", definition 1.
    """
    shares = torch.linalg.svdvals(rows)
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())


def isotropy(rows: Tensor) -> float:
    """min Z(c) / max Z(c), with Z(c) = Σ exp(c·row), over the eigenvectors c of rowsᵀ·rows, each with both signs: 1
    where all directions are alike, near 0 where one rules. Short rows are near 1 by their shortness alone.

    Mu & Viswanath 2018, "All-but-the-Top", equation 2 and below; both signs, because an eigenvector has no own one.
    """
    axes = torch.linalg.eigh(rows.T @ rows).eigenvectors  # (D, D), columns
    along = rows @ axes  # (R, D)
    log_z = torch.cat([along, -along], 1).logsumexp(0)
    return float((log_z.min() - log_z.max()).exp())


def mean_cosine(rows: Tensor) -> float:
    """Mean cosine of two different rows: 0 where they point everywhere, 1 where all point the same way."""
    unit, R = F.normalize(rows, dim=1), len(rows)
    if R == 1:
        return 1.0
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (R * (R - 1)))


def neighbours(rows: Tensor, tokens: np.ndarray, counts: np.ndarray, tokenizer: Tokenizer) -> list[Neighbours]:
    """For the most frequent tokens that are letters only: token (its text), count, and its nearest other rows by
    cosine, as {"token", "cosine"}. rows (R, D) belong to `tokens` (R,), the most frequent first."""
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
