"""The whole model: the numbers of the source chapters, equal initial parameters, counts of parameters."""

from collections.abc import Callable

import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.model.embeddings import LanguageModel, token_table
from embedlab.positions.site import square

TINY = ("model.embedding_dim=16", "model.n_heads=2", "data.context_length=8")

# torch.manual_seed(123); torch.nn.Embedding(6, 3), as the source chapters print it
TOKENS = [
    [0.3374, -0.1778, -0.1690],
    [0.9178, 1.5810, 1.3010],
    [1.2753, -0.2010, -0.1606],
    [-0.4015, 0.9666, -1.1481],
    [-1.1589, 0.3255, -0.6315],
    [-2.8400, -0.7849, -1.4096],
]
# the same random stream continued: torch.nn.Embedding(8, 3), first four rows, and their sums with ids 5, 1, 3, 2
POSITIONS = [
    [-2.1338, 1.0524, -0.3885],
    [-0.9343, -0.4991, -1.0867],
    [0.9624, 0.2492, -0.9133],
    [-0.4204, 1.3111, -0.2199],
]
SUMS = [[-4.9737, 0.2675, -1.7981], [-0.0166, 1.0818, 0.2144], [0.5609, 1.2158, -2.0615], [0.8549, 1.1101, -0.3805]]


def close(a: torch.Tensor, b: list[list[float]]) -> None:
    torch.testing.assert_close(a.detach(), torch.tensor(b), atol=5.1e-5, rtol=0)  # printed with four digits


def test_source_chapters_numbers() -> None:
    from embedlab import positions

    torch.manual_seed(123)
    table = token_table(6, 3, init_std=1.0)
    learned = positions.build("learned", embedding_dim=3, n_heads=1, n_layers=1, context_length=8, init_std=1.0)
    close(table.weight, TOKENS)
    close(table(torch.tensor([3])), TOKENS[3:4])
    ids = torch.tensor([5, 1, 3, 2])
    close(table(ids), [TOKENS[5], TOKENS[1], TOKENS[3], TOKENS[2]])
    one_hot = torch.nn.functional.one_hot(ids, 6).float()
    torch.testing.assert_close(table(ids), one_hot @ table.weight)  # selecting rows is a product
    vectors = learned.table()
    assert vectors is not None
    close(vectors[:4], POSITIONS)
    close(learned.embed(table(ids)[None], square(torch.arange(4)))[0], SUMS)


def test_sum_of_the_chapters() -> None:
    token, position = torch.tensor([0.5, -0.2, 0.1]), torch.tensor([0.1, 0.3, -0.1])
    torch.testing.assert_close(token + position, torch.tensor([0.6, 0.1, 0.0]))


def test_shaw_has_the_2k_minus_1_vectors_of_the_chapters(make_config: Callable[..., Config]) -> None:
    for k in (1, 4, 8):
        model = LanguageModel(make_config(*TINY, "position=shaw", f"data.context_length={k}", "model.n_layers=1"), 300)
        table = model.scheme.table()
        assert table is not None
        assert len(table) == 2 * k - 1


def test_table_and_head_start_the_same_under_every_scheme(make_config: Callable[..., Config]) -> None:
    models = {p: LanguageModel(make_config(*TINY, f"position={p}"), 300) for p in ("none", "learned", "shaw")}
    base = models["none"]
    for model in models.values():
        torch.testing.assert_close(model.tokens.state_dict(), base.tokens.state_dict(), rtol=0, atol=0)
        torch.testing.assert_close(model.head.state_dict(), base.head.state_dict(), rtol=0, atol=0)


def test_building_does_not_advance_the_global_random_stream(make_config: Callable[..., Config]) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    LanguageModel(make_config(*TINY), 300)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("position", ["none", "learned", "sinusoidal", "shaw"])
def test_parameter_counts_follow_the_formulas(make_config: Callable[..., Config], position: str) -> None:
    V, D, L, layers, heads = 300, 16, 8, 2, 2
    config = make_config(*TINY, f"position={position}")
    counts = LanguageModel(config, V).parameter_counts()
    expected = {"none": 0, "learned": L * D, "sinusoidal": 0, "shaw": layers * L * (D // heads)}
    assert counts["position"] == expected[position]
    assert counts["embedding"] == V * D
    assert counts["head"] == layers * (3 * D * D + D * D + 2 * 4 * D * D + 4 * D) + 2 * D
    assert counts["total"] == sum(counts[part] for part in ("position", "embedding", "head"))


def test_loss_is_cross_entropy_of_logits(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config(*TINY, "model.loss_chunk_tokens=5"), 300)
    ids, targets = torch.randint(300, (2, 3, 8), generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.cross_entropy(model.logits(ids).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model.loss(ids, targets), expected)
    torch.testing.assert_close(model.losses(ids, targets).mean(), expected.detach())


@pytest.mark.parametrize("head", ["attention", "linear"])
def test_context_of_one_token(make_config: Callable[..., Config], head: str) -> None:
    model = LanguageModel(make_config(*TINY, f"model={head}", "model.embedding_dim=16", "data.context_length=1"), 300)
    ids = torch.tensor([[3], [4]])
    model.loss(ids, ids).backward()
    assert model.tokens.weight.grad is not None
    assert model.tokens.weight.grad.isfinite().all()


def test_vocabulary_of_one_token(make_config: Callable[..., Config]) -> None:
    ids = torch.zeros(1, 8, dtype=torch.int64)
    assert LanguageModel(make_config(*TINY), 1).loss(ids, ids).item() == 0  # a single possible prediction


def test_linear_head_reads_one_token_alone(make_config: Callable[..., Config]) -> None:
    model = LanguageModel(make_config("model=linear", "model.embedding_dim=16", "data.context_length=8"), 300)
    expected = (model.tokens(torch.tensor(5)) + model.scheme.table()[2]) @ model.output_table.T
    torch.testing.assert_close(model.logits(torch.tensor([[7, 9, 5]]))[0, 2], expected)


def test_linear_head_refuses_schemes_that_act_between_tokens(make_config: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match="position=shaw acts only between tokens"):
        LanguageModel(make_config("model=linear", "model.embedding_dim=16", "position=shaw"), 300)


def test_a_text_past_the_learned_table_is_refused(make_config: Callable[..., Config]) -> None:
    ids = torch.zeros(1, 9, dtype=torch.int64)
    with pytest.raises(UserError, match=r"9 tokens is too long.*table of 8"):
        LanguageModel(make_config(*TINY), 300)(ids)
    LanguageModel(make_config(*TINY, "position.past_end=clamp"), 300)(ids)
