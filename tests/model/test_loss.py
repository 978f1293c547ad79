"""The chunked loss equals torch's cross-entropy, in value and gradient."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embedlab.model.loss import chunked_cross_entropy, token_losses


def draw(n: int, dim: int, vocab: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n * vocab)
    hidden = torch.randn(n, dim, generator=generator, dtype=dtype).requires_grad_()
    table = torch.randn(vocab, dim, generator=generator, dtype=dtype).requires_grad_()
    return hidden, table, torch.randint(vocab, (n,), generator=generator)


@pytest.mark.parametrize("chunk", [1, 3, 8, 10, 64])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_equals_cross_entropy(chunk: int, scale: float) -> None:
    hidden, table, targets = draw(10, 5, 37)
    expected = F.cross_entropy(hidden @ table.T, targets)
    expected_grads = torch.autograd.grad(expected * scale, (hidden, table))
    loss = chunked_cross_entropy(hidden, table, targets, chunk)
    grads = torch.autograd.grad(loss * scale, (hidden, table))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grads, expected_grads)


def test_gradient_by_finite_differences() -> None:
    hidden, table, targets = draw(6, 4, 9, torch.float64)
    assert torch.autograd.gradcheck(lambda h, t: chunked_cross_entropy(h, t, targets, 4), (hidden, table))


@pytest.mark.parametrize("frozen", ["hidden", "table"])
def test_frozen_argument_gets_no_gradient(frozen: str) -> None:
    hidden, table, targets = draw(10, 5, 37)
    (hidden if frozen == "hidden" else table).requires_grad_(False)
    trained = table if frozen == "hidden" else hidden
    expected = torch.autograd.grad(F.cross_entropy(hidden @ table.T, targets), trained)
    torch.testing.assert_close(torch.autograd.grad(chunked_cross_entropy(hidden, table, targets, 4), trained), expected)


def test_losses_of_each_token_and_without_gradient() -> None:
    hidden, table, targets = draw(10, 5, 37)
    expected = F.cross_entropy(hidden @ table.T, targets, reduction="none").detach()
    torch.testing.assert_close(token_losses(hidden, table, targets, 3), expected)
    with torch.no_grad():
        torch.testing.assert_close(chunked_cross_entropy(hidden, table, targets, 3), expected.mean())


def test_huge_logits_stay_finite() -> None:
    hidden, table, targets = draw(10, 5, 37)
    loss = chunked_cross_entropy(hidden * 1e4, table, targets, 3)
    torch.testing.assert_close(loss, F.cross_entropy(hidden * 1e4 @ table.T, targets))


def test_bfloat16_hidden_sums_in_float32() -> None:
    hidden, table, targets = draw(64, 32, 500)
    exact = F.cross_entropy(hidden.bfloat16().float() @ table.bfloat16().float().T, targets)
    loss = chunked_cross_entropy(hidden.bfloat16(), table, targets, 16)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=5e-3, atol=0)  # products are rounded to 8 bits before the sum
    loss.backward()
    assert table.grad is not None
    assert table.grad.dtype == torch.float32
