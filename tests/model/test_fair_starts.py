"""What a run really draws: nothing in common with any other stream or seed, and fair to every scheme."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from embedlab import positions
from embedlab.config.tree import Config
from embedlab.data.shuffle import Permutation
from embedlab.model.embeddings import LanguageModel
from embedlab.training.module import LanguageModule

TINY = ("model.embedding_dim=16", "model.n_heads=2", "model.n_layers=1", "data.context_length=8")
FIRST = 64  # numbers of each stream


def numbers_of(config: Config) -> dict[str, np.ndarray]:
    """Return the first numbers that a run draws for each purpose."""
    module = LanguageModule(config, np.ones(50, dtype=np.int64))
    module.on_fit_start()
    model = module.model
    parts = {
        "table": model.tokens.weight,
        "head": model.head.blocks[0].attention.qkv.weight,
        "scheme": model.scheme.table(),
        "dropout": torch.randn(FIRST),
        "order": torch.tensor(Permutation(FIRST, config.seed)(np.arange(FIRST)), dtype=torch.float32),
    }
    return {name: part.detach().flatten()[:FIRST].numpy() for name, part in parts.items()}


def test_nothing_that_runs_draw_is_correlated(make_config: Callable[..., Config]) -> None:
    """Learned positions of seed 1 were the first rows of seed 2's token table, and dropout drew the table's numbers."""
    config = make_config(*TINY, "position=learned")
    rows, labels = [], []
    for config.seed in range(100):
        for name, numbers in numbers_of(config).items():
            rows.append(numbers)
            labels.append((config.seed, name))
    correlations = np.abs(np.corrcoef(np.stack(rows)))
    np.fill_diagonal(correlations, 0)
    worst = np.unravel_index(correlations.argmax(), correlations.shape)
    # of 125,000 pairs of 64 independent numbers the largest is near 0.55
    assert correlations.max() < 0.75, [labels[i] for i in worst]


@pytest.mark.parametrize("name", positions.names())
def test_table_and_head_are_the_same_for_every_scheme(make_config: Callable[..., Config], name: str) -> None:
    base, model = (LanguageModel(make_config(*TINY, f"position={p}"), 50) for p in ("none", name))
    for part in ("tokens", "head"):
        torch.testing.assert_close(getattr(model, part).state_dict(), getattr(base, part).state_dict(), rtol=0, atol=0)


def test_dropout_masks_are_the_same_for_every_scheme(make_config: Callable[..., Config]) -> None:
    masks = []
    for name in ("none", "randomized", "deberta"):
        module = LanguageModule(make_config(*TINY, f"position={name}"), np.ones(50, dtype=np.int64))
        module.on_fit_start()
        masks.append(torch.rand(FIRST))
    assert all(torch.equal(mask, masks[0]) for mask in masks)


@pytest.mark.parametrize("name", ["learned", "shaw", "kerple", "transformer_xl"])
def test_a_scheme_starts_differently_under_every_seed(make_config: Callable[..., Config], name: str) -> None:
    config = make_config(*TINY, f"position={name}")
    first = LanguageModel(config, 50).scheme.state_dict()
    config.seed += 1
    second = LanguageModel(config, 50).scheme.state_dict()
    assert not any(torch.equal(first[key], second[key]) for key in first)
