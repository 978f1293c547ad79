"""What a job costs beside its training, by parts: a sweep's job of 200 steps with all that is on by default.

The job starts in a process forked from one that has imported the package, as the default launcher does it, and counts
CPU seconds, because other programs on the machine stretch any clock on the wall. Training is the time between a batch's
start and its end, as `train_seconds`; all else is the fixed cost, Lightning's work between the batches included. Not in
it: imports of the parent, the process's start, the hash of the text and the cached tokens, which the first job makes.

python -m pytest tests/benchmarks/test_fixed_cost.py -s
"""

import functools
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop

from embedlab import evaluation
from embedlab.tensorboard import figures, hparams, projector, texts
from embedlab.training import run
from embedlab.training.costs import Costs
from embedlab.training.whole_config import check_config, register
from tests.conftest import ROOT

JOB = ("tokenizer=bytes", "model.embedding_dim=64", "data.context_length=64", "data.batch_size=16", "threads=1")
STEPS = 200
GOAL = 1.5  # seconds on a machine of which the job has one core to itself
LOOKING = (figures.Figures, hparams.HParams, projector.Projector, texts.Texts)
MEASURES = ("window_losses", "extrapolation", "order_sensitivity", "measure_tables", "position_lens")


class Clock:
    """CPU seconds of named parts; a part inside another one counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.inner = [0.0]  # seconds of parts inside the part that runs now

    def watch(self, owner: Any, attribute: str, part: str) -> None:
        """Replace a function or method by one that is timed."""
        setattr(owner, attribute, self.timed(getattr(owner, attribute), part))

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **settings: Any) -> Any:
            started = time.process_time()
            self.inner.append(0.0)
            try:
                return function(*arguments, **settings)
            finally:
                spent = time.process_time() - started
                self.seconds[part] += spent - self.inner.pop()
                self.inner[-1] += spent

        return call


def run_job(link: Connection, folder: Path, overrides: tuple[str, ...]) -> None:
    """Compose the config, train and evaluate; send the CPU seconds of each part."""
    clock, batch = Clock(), [0.0]

    def start(*_: Any) -> None:
        batch[0] = time.process_time()

    def end(*_: Any) -> None:
        clock.seconds["training"] += time.process_time() - batch[0]

    clock.watch(_EvaluationLoop, "run", "validation in training")
    clock.watch(run, "collect_results", "results")
    for kind in LOOKING:
        for hook in [name for name in vars(kind) if name.startswith("on_")]:
            clock.watch(kind, hook, kind.__name__)
    for measure in MEASURES:
        clock.watch(evaluation, measure, measure)
    for name, hook in (("on_train_batch_start", start), ("on_train_batch_end", end)):
        original = getattr(Costs, name)
        setattr(Costs, name, lambda *given, original=original, hook=hook: (hook(), original(*given)))

    def whole() -> None:
        register()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = check_config(compose("config", [f"run_dir={folder}", *overrides]))
        run.train(config, evaluation.measure)

    clock.timed(whole, "all else")()
    clock.seconds["all else"] -= clock.seconds["training"]
    link.send(dict(clock.seconds))


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_fixed_cost(tmp_path: Path, position: str) -> None:
    context = multiprocessing.get_context("fork")
    for steps in (10, STEPS):  # the first one makes the caches
        folder = tmp_path / str(steps)
        folder.mkdir()
        ours, theirs = context.Pipe()
        overrides = (*JOB, f"position={position}", f"trainer.max_steps={steps}", f"cache_dir={tmp_path}/cache")
        process = context.Process(target=run_job, args=(theirs, folder, overrides))
        process.start()
        theirs.close()
        seconds = ours.recv()
        process.join()
    training = seconds.pop("training")
    fixed = sum(seconds.values())
    print(f"\nposition={position}: {fixed:.2f} s beside {training:.2f} s of training, {fixed / training:.2f} times")
    print(f"(CPU seconds; the goal of {GOAL} s is for a core that no other program shares)")
    for part, spent in sorted(seconds.items(), key=lambda pair: -pair[1]):
        print(f"{spent:7.3f} s {100 * spent / fixed:3.0f} %  {part}")
    assert set(MEASURES) < set(seconds), "each measure was taken and timed"
    assert min(seconds.values()) >= 0
