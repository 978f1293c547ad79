"""The interface of a positional scheme: a module with up to five hooks, which attention calls.

B batch, T window, D model width, H heads, K = D // H; positions is (T,), int64, increasing, 0 … T-1 by default
(randomized positions or an offset pass their own).
"""

from typing import Any

from torch import Tensor, nn

from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.hook_shapes import check_hooks
from embedlab.positions.own_file import report_methods

HOOKS = ("embed", "rotate", "bias", "score", "values")


class Scheme(nn.Module):
    """Base class: override only the hooks that the scheme needs; with none overridden this is NoPE.

    A scheme draws its initial parameters from torch's global generator; the model seeds that generator separately for
    it, so that the token table and the head start the same under every scheme.
    """

    max_context_length: int | None = None  # longest context that it is defined for, in tokens; None: any
    beyond = "defined for any context length"  # what it does past the trained window, as a phrase for messages

    def __init__(self, config: PositionConfig, shape: Shape) -> None:
        super().__init__()
        self.config = config
        self.shape = shape

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check what the hooks of a user's scheme return and raise; those that ship are checked by tests."""
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("embedlab.positions."):
            report_methods(cls, Scheme)
            for hook in HOOKS:
                if hook in vars(cls):
                    setattr(cls, hook, check_hooks(hook, vars(cls)[hook]))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Return x (B, T, D) with positions added; called once, at the input."""
        return x

    def rotate(self, q: Tensor, k: Tensor, positions: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Return q and k (B, H, T, K) as they enter the dot product."""
        return q, k

    def bias(self, positions: Tensor, layer: int) -> Tensor:
        """Return (H, T, T), rows are queries, to add to the scaled logits; entries above the diagonal are ignored."""
        raise NotImplementedError

    def score(self, q: Tensor, k: Tensor, x: Tensor | None, logits: Tensor, positions: Tensor, layer: int) -> Tensor:
        """Return the logits (B, H, T, T) to use instead of `logits`.

        q, k (B, H, T, K) are rotated if the scheme rotates; x (B, T, D) is the layer's normed input; logits are
        q·k/√K plus the bias, -inf above the diagonal, and are masked again afterwards.
        """
        return logits

    def values(self, weights: Tensor, v: Tensor, positions: Tensor, layer: int) -> Tensor:
        """Combine weights (B, H, T, T), after the softmax, with v (B, H, T, K) into (B, H, T, K)."""
        return weights @ v

    def at_step(self, step: int) -> None:
        """Prepare for training step `step` (0, 1, …); called before each, for schemes that change during training."""

    @property
    def settled(self) -> bool:
        """Whether training has finished changing the scheme; weights from before that do not represent it."""
        return True

    def hooks(self, layer: int = 0) -> frozenset[str]:
        """Return the names of the hooks that act in this layer; attention takes the fastest path that they allow."""
        return frozenset(hook for hook in HOOKS if getattr(type(self), hook) is not getattr(Scheme, hook))

    def count_parameters(self) -> int:
        """Count the parameters, without those that no causal pair of query and key uses."""
        return sum(weight.numel() for weight in self.parameters())

    def table(self) -> Tensor | None:
        """Return (rows, width) vectors of positions or distances to show in the projector, if the scheme has any."""
        return None

    def table_rows(self) -> list[str]:
        """Return a label for each row of `table`, a word and a number ("distance -3")."""
        table = self.table()
        word = "position" if "embed" in self.hooks() else "row"
        return [] if table is None else [f"{word} {row}" for row in range(len(table))]


class Composed(Scheme):
    """A scheme made of others: passes each hook to the one that serves the layer."""

    def __init__(self, config: PositionConfig, shape: Shape, schemes: list[Scheme]) -> None:
        super().__init__(config, shape)
        self.schemes = nn.ModuleList(schemes)
        limits = [scheme.max_context_length for scheme in schemes if scheme.max_context_length is not None]
        self.max_context_length = min(limits, default=None)
        self.beyond = "; ".join(f"{scheme.config.name}: {scheme.beyond}" for scheme in schemes)

    def inner(self, layer: int) -> tuple[Scheme, int]:
        """Return the scheme that serves this layer, and the layer's index among those that it serves."""
        return self.schemes[0], layer  # type: ignore[return-value]  # a ModuleList of schemes

    def inner_positions(self, positions: Tensor) -> Tensor:
        """Return the positions that inner schemes get instead of (T,) `positions`."""
        return positions

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        for scheme in self.schemes:
            x = scheme.embed(x, self.inner_positions(positions))  # type: ignore[operator]
        return x

    def rotate(self, q: Tensor, k: Tensor, positions: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        scheme, own = self.inner(layer)
        return scheme.rotate(q, k, self.inner_positions(positions), own)

    def bias(self, positions: Tensor, layer: int) -> Tensor:
        scheme, own = self.inner(layer)
        return scheme.bias(self.inner_positions(positions), own)

    def score(self, q: Tensor, k: Tensor, x: Tensor | None, logits: Tensor, positions: Tensor, layer: int) -> Tensor:
        scheme, own = self.inner(layer)
        return scheme.score(q, k, x, logits, self.inner_positions(positions), own)

    def values(self, weights: Tensor, v: Tensor, positions: Tensor, layer: int) -> Tensor:
        scheme, own = self.inner(layer)
        return scheme.values(weights, v, self.inner_positions(positions), own)

    def at_step(self, step: int) -> None:
        for scheme in self.schemes:
            scheme.at_step(step)  # type: ignore[operator]

    @property
    def settled(self) -> bool:
        return all(scheme.settled for scheme in self.schemes)

    def hooks(self, layer: int = 0) -> frozenset[str]:
        scheme, own = self.inner(layer)
        at_input = any("embed" in scheme.hooks() for scheme in self.schemes)  # type: ignore[operator]
        return scheme.hooks(own) | (frozenset({"embed"}) if at_input else frozenset())

    def count_parameters(self) -> int:
        return sum(scheme.count_parameters() for scheme in self.schemes)  # type: ignore[operator]

    def table(self) -> Tensor | None:
        tables = (scheme.table() for scheme in self.schemes)  # type: ignore[operator]
        return next((table for table in tables if table is not None), None)


def distances(positions: Tensor) -> Tensor:
    """Return δ = i - j for query i and key j: (T,) -> (T, T).

    >>> import torch
    >>> distances(torch.tensor([0, 1, 2])).tolist()
    [[0, -1, -2], [1, 0, -1], [2, 1, 0]]
    """
    return positions[:, None] - positions[None, :]
