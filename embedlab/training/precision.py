"""What half precision needs in addition to Lightning's own handling of trainer.precision."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from embedlab.config.errors import UserError
from embedlab.training.module import LanguageModule

HALF = (torch.bfloat16, torch.float16)


def in_float32(module: LanguageModule) -> LanguageModule:
    """Return the module in float32 if it was trained in half precision; the scheme's constants are computed again.

    A cast alone would keep only the three digits that bfloat16 has, for example of ALiBi's slopes.
    """
    if module.model.tokens.weight.dtype not in HALF:
        return module
    full = LanguageModule(module.config, module.byte_lengths.numpy(force=True))
    full.load_state_dict(module.state_dict())
    return full


@contextmanager
def report_missing_kernels(precision: Any) -> Iterator[None]:
    """Raise UserError if the device cannot compute in the requested precision."""
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if not re.search(r"not (implemented|supported) .*(Half|BFloat16|float16)", str(error)):
            raise
        raise UserError(
            f"trainer.precision={precision} cannot be computed on this device ({str(error).splitlines()[0]}): "
            "give trainer.precision=32-true"
        ) from error
