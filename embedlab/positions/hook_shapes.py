"""Checks of what the hooks of a user's scheme return, at every call: some microseconds beside milliseconds."""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from embedlab.config.errors import UserError

Shape = tuple[int, ...]


def check_hooks(hook: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the hook `method` of a scheme with its result checked.

    Raises UserError that names both shapes if the result has another shape than attention needs.
    """

    @functools.wraps(method)
    def call(scheme: Any, *given: Any, **named: Any) -> Any:
        result = method(scheme, *given, **named)
        values = (*given, *named.values())
        wanted = WANTED[hook](scheme, *values)
        fits: Callable[[Any, Any], bool] = FITS.get(hook, is_equal)
        if not fits(result, wanted):
            where = f"position={scheme.config.name}" + (f" ({scheme.config.file})" if scheme.config.file else "")
            raise UserError(f"{where}: {hook} returns {describe_result(result)}, not {shown_shape(hook, wanted)}")
        return result

    return call


def _bias(scheme: Any, positions: Tensor, *rest: Any) -> Shape:
    return scheme.shape.n_heads, len(positions), len(positions)


def _score(scheme: Any, q: Tensor, k: Tensor, *rest: Any) -> Shape:
    return *q.shape[:-1], k.size(-2)


def _values(scheme: Any, weights: Tensor, v: Tensor, *rest: Any) -> Shape:
    return *weights.shape[:-1], v.size(-1)


WANTED: dict[str, Callable[..., Any]] = {  # hook: (scheme, arguments) -> shape of the result
    "embed": lambda scheme, x, *rest: tuple(x.shape),
    "rotate": lambda scheme, q, k, *rest: (tuple(q.shape), tuple(k.shape)),
    "bias": _bias,
    "score": _score,
    "values": _values,
}


def is_equal(result: Any, wanted: Shape) -> bool:
    """Return whether the result is a tensor of the wanted shape."""
    return isinstance(result, Tensor) and result.shape == wanted


def fits_head_width(result: Any, wanted: Shape) -> bool:
    """Return whether all but the last dimension agree: a scheme may widen q and k."""
    return isinstance(result, Tensor) and result.dim() == len(wanted) and result.shape[:-1] == wanted[:-1]


def broadcasts(result: Any, wanted: Shape) -> bool:
    """Return whether the result extends to the wanted shape, as a bias that all heads or queries share does."""
    if not isinstance(result, Tensor):
        return False
    if result.shape == wanted:  # nearly always
        return True
    try:
        return result.expand(wanted).shape == wanted
    except RuntimeError:
        return False


def broadcasts_over_batch(result: Any, wanted: Shape) -> bool:
    """Return whether it does, and has every query and key itself: a row too few would be repeated without a word."""
    return broadcasts(result, wanted) and result.shape[-2:] == wanted[-2:]


def rotates(result: Any, wanted: tuple[Shape, Shape]) -> bool:
    """Return whether the result is a pair of q and k, of one width that may differ from the wanted one."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        return False
    return all(map(fits_head_width, result, wanted)) and result[0].shape[-1] == result[1].shape[-1]


FITS: dict[str, Callable[[Any, Any], bool]] = {"rotate": rotates, "bias": broadcasts, "score": broadcasts_over_batch}


def describe_result(result: Any) -> str:
    """Return a result's shape, or its type where it has none."""
    if isinstance(result, Tensor):
        return str(tuple(result.shape))
    if isinstance(result, tuple | list):
        return f"({', '.join(map(describe_result, result))})"
    return "None (is there a `return`?)" if result is None else f"a {type(result).__name__}"


def shown_shape(hook: str, wanted: Any) -> str:
    """Return the wanted shape with the letters that it is written with in base.py."""
    letters = {"embed": "(B, T, D)", "rotate": "q and k, each (B, H, T, K)", "bias": "(H, T, T)"}
    letters |= {"score": "(B, H, T, T)", "values": "(B, H, T, K)"}
    return f"{wanted}, {letters[hook]}"
