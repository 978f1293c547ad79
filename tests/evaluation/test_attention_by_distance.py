"""Attention by distance, compared with weights written by hand."""

from collections.abc import Callable

import pytest
import torch

from embedlab import positions
from embedlab.config.tree import Config
from embedlab.evaluation.lens import Watched, attention_by_distance, join
from embedlab.model.embeddings import LanguageModel
from embedlab.tensorboard.figures import figures, render
from embedlab.tensorboard.texts import generate

SMALL = ("model.embedding_dim=16", "model.n_heads=2", "data.context_length=8")


def test_weights_of_plain_attention(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config("position=none", "model.init_std=1", *SMALL), 30)
    attention = model.head.blocks[0].attention
    x = torch.randn(3, 8, 16)
    q, k, _ = attention.qkv(x).split(16, dim=-1)
    watched = Watched(model.scheme)
    attention(x, watched, torch.arange(8))
    weights = join(watched.seen_weights[0], 0.0)
    for head, columns in enumerate((slice(0, 8), slice(8, 16))):
        logits = q[..., columns] @ k[..., columns].mT / 8**0.5
        expected = (logits + torch.full((8, 8), -torch.inf).triu(1)).softmax(-1)
        torch.testing.assert_close(weights[:, head], expected)


def test_mean_over_the_queries_that_have_this_distance(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config("position=none", *SMALL), 30)
    for layer in model.head.blocks:
        torch.nn.init.zeros_(layer.attention.qkv.weight)  # then query i gives 1 / (i + 1) to each key
    curves = attention_by_distance(model, torch.randint(30, (2, 8)))
    assert curves is not None
    expected = torch.tensor([sum(1 / (i + 1) for i in range(back, 8)) / (8 - back) for back in range(8)])
    torch.testing.assert_close(curves, expected.expand(2, 2, 8))


@pytest.mark.parametrize("name", positions.names())
def test_every_scheme_can_be_measured(make_config: Callable[..., Config], name: str) -> None:
    settings = ["position.values=true"] if name == "shaw" else []
    model = LanguageModel(make_config(f"position={name}", *SMALL, *settings), 30).train()
    ids = torch.randint(30, (2, 8))
    before = torch.random.get_rng_state()
    curves = attention_by_distance(model, ids)
    assert curves is not None
    assert (curves >= 0).all()
    drawn = figures(model, ids)
    assert "figures/attention_by_distance" in drawn
    assert ("figures/positions_similarity" in drawn) == ("embed" in model.scheme.hooks())
    assert ("figures/bias_by_distance" in drawn) == any("bias" in model.scheme.hooks(layer) for layer in range(2))
    assert all(render(figure).std() > 0 for figure in drawn.values())
    assert generate(model, ids[:, :4], 9, temperature=1.0).shape == (2, 13)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)  # measuring does not change training's random numbers


def test_no_attention_without_an_attention_head(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config("model=linear", "model.embedding_dim=16", "data.context_length=8"), 30)
    assert attention_by_distance(model, torch.zeros(1, 8, dtype=torch.int64)) is None
    assert "figures/positions_similarity" in figures(model, torch.zeros(1, 8, dtype=torch.int64))
