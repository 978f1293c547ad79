"""Without positions one causal layer sees a bag of words; with any scheme it sees their order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from embedlab.positions import names
from tests.positions.tiny_model import L, TinyModel, some_ids

PAIR = ("你爸妈对我的看法", "我爸妈对你的看法")  # 你 and 我 are exchanged


def last_logits(model: TinyModel, ids: Tensor) -> Tensor:
    return model.eval()(ids)[:, -1]


def essay_ids() -> tuple[Tensor, Tensor]:
    letters = sorted(set("".join(PAIR)))
    first, second = (torch.tensor([[letters.index(letter) for letter in sentence]]) for sentence in PAIR)
    return first, second


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(L - 1)))
def test_one_layer_without_positions_sees_a_bag_of_words(order: list[int]) -> None:
    model, ids = TinyModel("none", n_layers=1), some_ids()
    shuffled = ids[:, [*order, L - 1]]
    assert torch.allclose(last_logits(model, ids), last_logits(model, shuffled), rtol=0, atol=1e-5)


def test_the_essays_sentences_are_equal_without_positions() -> None:
    first, second = essay_ids()
    model = TinyModel("none", n_layers=1)
    assert torch.allclose(last_logits(model, first), last_logits(model, second), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in names() if name != "none"])
def test_every_scheme_distinguishes_orders(name: str) -> None:
    model, ids = TinyModel(name, n_layers=1), some_ids()
    shuffled = ids[:, [*reversed(range(L - 1)), L - 1]]
    assert (last_logits(model, ids) - last_logits(model, shuffled)).abs().max() > 1e-4
    first, second = essay_ids()
    assert (last_logits(model, first) - last_logits(model, second)).abs().max() > 1e-4


def test_two_layers_distinguish_orders_by_causality_alone() -> None:
    model, ids = TinyModel("none", n_layers=2), some_ids()
    shuffled = ids[:, [*reversed(range(L - 1)), L - 1]]
    assert (last_logits(model, ids) - last_logits(model, shuffled)).abs().max() > 1e-3
