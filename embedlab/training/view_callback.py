"""Base class of callbacks that only show a run: an exception in one is logged, and training continues without it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from torch.nn import Module

from embedlab.runs.view_failures import log_view_failure


class ViewCallback(Callback):
    """A callback whose hooks cannot end a run: the hooks that a subclass defines are guarded."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, hook in list(vars(cls).items()):
            if (name.startswith("on_") and callable(hook)) or name in ("setup", "teardown"):
                setattr(cls, name, guard(hook))


def guard(hook: Callable[..., Any]) -> Callable[..., None]:
    """Return a hook that logs exceptions, and after one restores each module's mode (training or evaluation)."""

    @functools.wraps(hook)
    def call(self: ViewCallback, trainer: Trainer, *arguments: Any, **named: Any) -> None:
        models = [argument for argument in arguments if isinstance(argument, Module)]
        modes = [(module, module.training) for model in models for module in model.modules()]
        done = False
        with log_view_failure(Path(trainer.default_root_dir), f"{type(self).__name__}.{hook.__name__}"):
            hook(self, trainer, *arguments, **named)
            done = True
        if not done:
            for module, training in modes:
                module.training = training

    return call
