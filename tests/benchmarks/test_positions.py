"""Speed and memory of training steps on one thread: each scheme by window, and four against x-transformers.

Times are CPU times (`process_time`), so that other processes on a shared machine do not count. Each comparison runs in
a fresh process, as training does. In a process that has freed large tensors before, new large tensors cause no page
faults: x-transformers' steps, which compute all logits at once, were a third faster there (ours: the same).

python -m pytest tests/benchmarks/test_positions.py -s
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from embedlab import positions
from embedlab.model.embeddings import LanguageModel
from embedlab.training.whole_config import check_config, register
from tests.conftest import ROOT

VOCAB, D, LAYERS, H, B, T = 4096, 128, 2, 4, 32, 64
LEAST_SPEEDUP = 1.5
WINDOWS, TOKENS = (64, 256, 1024), 4096  # tokens in a window, and in a step over any of them
THEIRS = {  # the same scheme as settings of x-transformers
    "learned": {},
    "rotary": {"rotary_pos_emb": True},
    "alibi": {"alibi_pos_bias": True, "alibi_num_heads": H},
    "t5": {"rel_pos_bias": True},
}
Step = Callable[[], None]


def step_of(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], batch: int = B, window: int = T) -> Step:
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    ids = torch.randint(VOCAB, (batch, window + 1), generator=torch.Generator().manual_seed(0))

    def step() -> None:
        optimizer.zero_grad()
        loss(ids[:, :-1], ids[:, 1:]).backward()
        optimizer.step()

    return step


def ours(name: str) -> Step:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        size = (f"model.embedding_dim={D}", f"model.n_layers={LAYERS}", f"model.n_heads={H}", f"data.batch_size={B}")
        cfg = compose("config", ["run_dir=.", f"position={name}", f"data.context_length={T}", *size])
    model = LanguageModel(check_config(cfg), VOCAB)
    return step_of(model, model.loss)


def by_window(name: str, window: int) -> tuple[list[float], float]:
    """CPU seconds of three steps over 4,096 tokens at width 64 with 256 token types, and the memory they add in MB."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        size = ("model.embedding_dim=64", f"model.n_layers={LAYERS}", f"model.n_heads={H}")
        cfg = compose("config", ["run_dir=.", f"position={name}", f"data.context_length={window}", *size])
    model = LanguageModel(check_config(cfg), 256)
    step = step_of(model, lambda ids, targets: model.loss(ids % 256, targets % 256), TOKENS // window, window)
    before = peak_memory()
    return timed({name: step}, turns=3)[name], peak_memory() - before


def peak_memory() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def theirs(name: str, **extra: bool) -> Step:
    import x_transformers as x

    positional = {} if name == "learned" else {"use_abs_pos_emb": False}
    layers = x.Decoder(dim=D, depth=LAYERS, heads=H, attn_dim_head=D // H, **THEIRS[name], **extra)
    model = x.TransformerWrapper(num_tokens=VOCAB, max_seq_len=T, attn_layers=layers, tie_embedding=True, **positional)
    return step_of(model, lambda ids, targets: F.cross_entropy(model(ids).flatten(0, 1), targets.flatten()))


def timed(steps: dict[str, Step], turns: int = 10) -> dict[str, list[float]]:
    """Return each step's CPU seconds in each turn; the steps of a turn run under like conditions. Two turns warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(turns + 2):
        for name, step in steps.items():
            started = time.process_time()
            step()
            if turn > 1:
                seconds[name].append(time.process_time() - started)
    return seconds


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median over turns, so that one fast or slow moment does not decide."""
    return median(a / b for a, b in zip(above, below, strict=True))


def in_a_fresh_process(*what: str) -> Any:
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.test_positions", *what],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(run.stdout.splitlines()[-1])


def test_each_scheme_against_none() -> None:
    seconds = in_a_fresh_process("all")
    relative = {name: ratio(own, seconds["none"]) for name, own in seconds.items()}
    for name in sorted(relative, key=relative.__getitem__):
        print(f"\n{name:20} {median(seconds[name]) * 1e3:7.1f} ms a step, {relative[name]:5.2f} x none", end="")


def test_each_scheme_by_window() -> None:
    print(f"\n{'':20}" + "".join(f"{f'T = {window}':>28}" for window in WINDOWS))
    print(f"{'':20}" + f"{'tokens/s':>10}{'x none':>8}{'MB':>10}" * len(WINDOWS))
    plain: dict[int, float] = {}
    for name in ("none", *(name for name in positions.names() if name != "none")):
        print(f"{name:20}", end="")
        for window in WINDOWS:
            seconds, memory = in_a_fresh_process("by_window", name, str(window))
            time_of_step = median(seconds)
            relative = time_of_step / plain.setdefault(window, time_of_step)
            print(f"{TOKENS / time_of_step:10,.0f}{relative:8.2f}{memory:10.0f}", end="", flush=True)
        print()


@pytest.mark.parametrize("name", THEIRS)
def test_against_x_transformers(name: str) -> None:
    pytest.importorskip("x_transformers", reason="x-transformers (dev extra) is what is compared with")
    seconds = in_a_fresh_process(name)
    speedup = min(ratio(own, seconds["ours"]) for kind, own in seconds.items() if kind != "ours")
    rates = ", ".join(f"{kind} {B * T / median(own):,.0f} tokens/s" for kind, own in seconds.items())
    print(f"\n{name}: {rates}: {speedup:.2f} times")
    assert speedup >= LEAST_SPEEDUP


def main(what: str, *more: str) -> None:
    torch.set_num_threads(1)
    if what == "by_window":
        name, window = more
        print(json.dumps(by_window(name, int(window))))
        return
    if what == "all":
        steps = {name: ours(name) for name in positions.names()}
    else:
        steps = {"ours": ours(what), "theirs": theirs(what)}
        if what in ("learned", "rotary"):  # its fused attention takes no bias
            steps["theirs, flash"] = theirs(what, attn_flash=True)
    print(json.dumps(timed(steps)))


if __name__ == "__main__":
    main(*sys.argv[1:])
