"""What half precision needs beside Lightning's own handling of trainer.precision."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from embedlab.config.errors import UserError
from embedlab.training.module import LanguageModule

HALF = (torch.bfloat16, torch.float16)


def in_float32(module: LanguageModule) -> LanguageModule:
    """Return the module in float32 if it was trained in half precision, with the scheme's constants uncast.

    Cast to float32 as it is, ALiBi's slopes would keep the three digits that bfloat16 has.
    """
    if module.model.tokens.weight.dtype not in HALF:
        return module
    whole = LanguageModule(module.config, module.byte_lengths.numpy(force=True))
    whole.load_state_dict(module.state_dict())
    return whole


@contextmanager
def report_missing_kernels(precision: Any) -> Iterator[None]:
    """Raise UserError where the device cannot compute in the precision that was asked for."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if not re.search(r"not (implemented|supported) .*(Half|BFloat16|float16)", str(error)):
            raise
        raise UserError(
            f"trainer.precision={precision} cannot be computed on this device ({str(error).splitlines()[0]}): "
            "give trainer.precision=32-true"
        ) from error
