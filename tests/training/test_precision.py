"""Half precision: a missing kernel is a one-line error; evaluation is in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from embedlab.config.errors import UserError
from embedlab.config.tree import Config
from embedlab.training.module import LanguageModule
from embedlab.training.precision import in_float32, report_missing_kernels


@pytest.mark.parametrize(
    "message",
    [
        "\"addmm_impl_cpu_\" not implemented for 'Half'",
        "\"cumsum_out\" not implemented for 'BFloat16'\nmore lines",
        "linalg_solve: not supported for dtype Half",
    ],
)
def test_a_missing_kernel_is_one_line(message: str) -> None:
    with (
        pytest.raises(UserError, match=r"^trainer\.precision=16-true cannot be .*: give trainer\.precision=32-true$"),
        report_missing_kernels("16-true"),
    ):
        raise RuntimeError(message)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="out of memory"), report_missing_kernels("16-true"):
        raise RuntimeError("out of memory")


def test_constants_regain_full_precision(make_config: Callable[..., Config]) -> None:
    shape = ("model.embedding_dim=24", "model.n_heads=12", "data.context_length=16")
    module = LanguageModule(make_config("position=alibi", *shape), np.ones(257, dtype=np.int64))
    slopes = module.model.scheme.slopes.clone()
    assert in_float32(module) is module
    module.to(torch.bfloat16)
    assert not torch.equal(module.model.scheme.slopes.float(), slopes), "otherwise a cast would be enough"
    full = in_float32(module)
    assert torch.equal(full.model.scheme.slopes, slopes)
    assert torch.equal(full.model.tokens.weight, module.model.tokens.weight.float())
    assert torch.equal(full.byte_lengths, module.byte_lengths)


def test_validation_sums_are_neither_cast_nor_in_the_state_dict(make_config: Callable[..., Config]) -> None:
    module = LanguageModule(make_config("model.embedding_dim=16", "model.n_heads=2"), np.full(257, 3))
    module.on_validation_epoch_start()
    module.to(torch.bfloat16)
    batch = torch.zeros(8, 64, dtype=torch.int64)
    for _ in range(200):  # 102,400 targets: in bfloat16 the count stops growing at 131,072 and loses digits before that
        module.validation_step((batch, batch), 0)
    nats, tokens, n_bytes = module.validation_sums.tolist()
    assert module.validation_sums.dtype == torch.float64
    assert (tokens, n_bytes) == (102_400, 307_200)
    losses = module.model.losses(batch, batch)
    assert nats == pytest.approx(200 * losses.double().sum().item(), rel=1e-12)
    assert not any("validation_sums" in name for name in module.state_dict())


def test_sums_are_on_the_cpu_if_the_device_has_no_float64(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = LanguageModule(make_config("model.embedding_dim=16", "model.n_heads=2"), np.ones(257, dtype=np.int64))
    monkeypatch.setattr(LanguageModule, "device", torch.device("mps"))
    module.on_validation_epoch_start()
    assert (module.validation_sums.device.type, module.validation_sums.dtype) == ("cpu", torch.float64)


class OnMps(torch.Tensor):
    """A tensor on a device without float64, as MPS: what would be float64 there raises."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.to and args[1:] == (torch.device("cpu"),):
            return args[0].as_subclass(torch.Tensor)
        result = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(result, torch.Tensor) and result.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return result


def test_validation_sums_are_float64_on_the_cpu_for_a_device_without(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = np.ones(256, dtype=np.int64)
    module = LanguageModule(make_config("tokenizer=bytes", "model.embedding_dim=8", "model.n_heads=2"), lengths)
    losses = torch.full((2, 4), 1.5).as_subclass(OnMps)
    with pytest.raises(TypeError, match="MPS"):
        losses.double()
    monkeypatch.setattr(LanguageModule, "device", torch.device("mps"))
    monkeypatch.setattr(module.model, "losses", lambda inputs, targets: losses)
    module.byte_lengths = module.byte_lengths.as_subclass(OnMps)
    module.on_validation_epoch_start()
    assert module.validation_sums.device.type == "cpu"
    targets = torch.zeros(2, 4, dtype=torch.int64).as_subclass(OnMps)
    for _ in range(3):
        module.validation_step((targets, targets), 0)
    assert module.validation_sums.dtype == torch.float64
    assert module.validation_sums.tolist() == [36.0, 24.0, 24.0]
