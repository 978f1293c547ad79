"""Schemes compared with recorded values of other implementations; oracles/record.py names and records them."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from embedlab.model.attention import attend
from embedlab.positions import build
from embedlab.positions.base import Scheme
from embedlab.positions.site import square

RECORD = json.loads((Path(__file__).parent / "oracles" / "recorded.json").read_text())
H, T, K, L = 2, 6, 4, 8


def recorded(name: str) -> dict[str, Tensor]:
    return {key: torch.tensor(values) for key, values in RECORD[name].items()}


def make(name: str, **settings: object) -> Scheme:
    return build(name, embedding_dim=H * K, n_heads=H, n_layers=1, context_length=L, **settings)


@pytest.mark.parametrize("scores", ["key", "key_query"])
def test_bert_relative_is_transformers_4(scores: str) -> None:
    parts = recorded(f"bert_relative_{scores}")
    scheme = make("bert_relative", scores=scores)
    scheme.vectors.data[0] = parts["table"]
    torch.testing.assert_close(attend(scheme, parts["q"], parts["k"], parts["v"]), parts["out"], rtol=1e-5, atol=1e-5)


def test_pope_is_pope_pytorch() -> None:
    parts = recorded("pope")
    scheme = make("pope")
    scheme.phase.data = parts["phase"][:, None]
    q, k = scheme.rotate(parts["q"], parts["k"], square(torch.arange(T)))
    torch.testing.assert_close(q @ k.mT, parts["products"], rtol=1e-5, atol=1e-5)


def test_xpos_is_torchscale() -> None:
    parts = recorded("xpos")
    q, k = make("xpos").rotate(parts["q"], parts["k"], square(torch.arange(T)))
    torch.testing.assert_close((q @ k.mT).tril(), parts["products"].tril(), rtol=1e-5, atol=1e-5)
