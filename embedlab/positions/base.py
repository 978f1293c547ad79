"""The interface of a positional scheme: a module with up to seven hooks, called where tokens meet positions.

B batch, T window, D model width, H heads, K = D // H. Attention may go by blocks of queries, so the hooks on logits see
rectangles: Tq queries, always the last of the Tk keys at hand, as a `Site` says.
"""

from typing import Any

from torch import Tensor, nn

from embedlab.positions.config import PositionConfig, Shape
from embedlab.positions.hook_shapes import check_arguments, check_hooks
from embedlab.positions.own_file import report_methods
from embedlab.positions.site import Site as Site  # so that one import serves a scheme's file
from embedlab.positions.site import distances as distances

HOOKS = ("embed", "mix", "rotate", "bias", "score", "weights", "values")


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
        """Check the hooks of a user's scheme; those that ship are checked by mypy and tests."""
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("embedlab.positions."):
            report_methods(cls, Scheme)
            for hook in HOOKS:
                if hook in vars(cls):
                    check_arguments(hook, vars(cls)[hook], getattr(Scheme, hook))
                    setattr(cls, hook, check_hooks(hook, vars(cls)[hook]))

    def embed(self, x: Tensor, site: Site) -> Tensor:
        """Return x (B, T, D) with positions added; called once, at the input."""
        return x

    def mix(self, x: Tensor, site: Site) -> Tensor:
        """Return the layer's normed input x (B, T, D) from which queries, keys and values are computed."""
        return x

    def rotate(self, q: Tensor, k: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        """Return q and k (B, H, T, K) as they enter the dot product, which may be wider than K.

        Called once, with all T queries and keys; the product is divided by √K, whatever the new width.
        """
        return q, k

    def bias(self, site: Site) -> Tensor:
        """Return (H, Tq, Tk) to add to the scaled logits; entries for keys after the query are ignored."""
        raise NotImplementedError

    def score(self, q: Tensor, k: Tensor, logits: Tensor, site: Site) -> Tensor:
        """Return the logits (B, H, Tq, Tk) to use instead of `logits`.

        q (B, H, Tq, K) and k (B, H, Tk, K) are rotated if the scheme rotates; logits are q·k/√K plus the bias, -inf for
        keys after the query, and are masked again afterwards.
        """
        return logits

    def weights(self, logits: Tensor, site: Site) -> Tensor:
        """Return weights (B, H, Tq, Tk) for masked logits of that shape."""
        return logits.softmax(-1)

    def values(self, weights: Tensor, v: Tensor, site: Site) -> Tensor:
        """Combine weights (B, H, Tq, Tk) and v (B, H, Tk, K) into (B, H, Tq, K)."""
        return weights @ v

    def locate(self, site: Site) -> Site:
        """Return the site whose positions the hooks of its layer work with; called before attention goes by blocks."""
        return site

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
