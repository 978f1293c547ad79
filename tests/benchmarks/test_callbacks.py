"""What views cost the default run: the time spent in each callback's hooks during the whole training.

Hooks are timed inside one run, because two runs on a shared machine differ by more than what is measured. The run
without them is printed for comparison.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.tensorboard.figures import Figures
from embedlab.tensorboard.hparams import HParams
from embedlab.tensorboard.layout import Layout
from embedlab.tensorboard.projector import Projector
from embedlab.tensorboard.texts import Texts
from embedlab.training.run import train

VIEWS = {"projector": Projector, "hparams": HParams, "layout": Layout, "texts": Texts, "figures": Figures}


def seconds_of_training(config: Config) -> float:
    found = train(config, measure)
    assert found is not None
    return found["train_seconds"]


@pytest.mark.filterwarnings("ignore")
def test_views_cost_less_than_five_percent(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, hook: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **settings: object) -> object:
            start = time.perf_counter()
            try:
                return hook(*args, **settings)
            finally:
                spent[name] += time.perf_counter() - start

        return run

    for name, kind in VIEWS.items():
        for hook in [key for key in vars(kind) if key.startswith("on_") or key == "teardown"]:
            monkeypatch.setattr(kind, hook, timed(name, vars(kind)[hook]))
    seconds = seconds_of_training(make_config(f"cache_dir={tmp_path / 'cache'}"))
    for name, cost in sorted(spent.items(), key=lambda pair: -pair[1]):
        print(f"{name:12} {cost:6.2f} s  {100 * cost / seconds:5.2f} %")
    share = sum(spent.values()) / seconds
    print(f"{'all':12} {sum(spent.values()):6.2f} s  {100 * share:5.2f} % of {seconds:.1f} s of training")
    off = [f"callbacks.{name}=null" for name in VIEWS]
    bare = seconds_of_training(make_config(f"cache_dir={tmp_path / 'cache'}", f"run_dir={tmp_path / 'bare'}", *off))
    print(f"{'without':12} {bare:6.1f} s of training, with {seconds:.1f} s (without the time in callbacks)")
    assert share < 0.05
