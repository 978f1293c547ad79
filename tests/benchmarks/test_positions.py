"""Speed of training steps on one thread: each scheme against none, and four against x-transformers of equal size.

Times are CPU times (`process_time`), so that other processes on a shared machine do not count. Each comparison runs in
a fresh process, as training does. In a process that has freed large tensors before, new large tensors cause no page
faults: x-transformers' steps, which compute all logits at once, were a third faster there (ours: the same).

python -m pytest tests/benchmarks/test_positions.py -s
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

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
THEIRS = {  # the same scheme as settings of x-transformers
    "learned": {},
    "rotary": {"rotary_pos_emb": True},
    "alibi": {"alibi_pos_bias": True, "alibi_num_heads": H},
    "t5": {"rel_pos_bias": True},
}
Step = Callable[[], None]


def step_of(model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> Step:
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    ids = torch.randint(VOCAB, (B, T + 1), generator=torch.Generator().manual_seed(0))

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


def in_a_fresh_process(what: str) -> dict[str, list[float]]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.test_positions", what],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_each_scheme_against_none() -> None:
    seconds = in_a_fresh_process("all")
    relative = {name: ratio(own, seconds["none"]) for name, own in seconds.items()}
    for name in sorted(relative, key=relative.__getitem__):
        print(f"\n{name:20} {median(seconds[name]) * 1e3:7.1f} ms a step, {relative[name]:5.2f} x none", end="")


@pytest.mark.parametrize("name", THEIRS)
def test_against_x_transformers(name: str) -> None:
    pytest.importorskip("x_transformers", reason="x-transformers (dev extra) is what is compared with")
    seconds = in_a_fresh_process(name)
    speedup = min(ratio(own, seconds["ours"]) for kind, own in seconds.items() if kind != "ours")
    rates = ", ".join(f"{kind} {B * T / median(own):,.0f} tokens/s" for kind, own in seconds.items())
    print(f"\n{name}: {rates}: {speedup:.2f} times")
    assert speedup >= LEAST_SPEEDUP


def main(what: str) -> None:
    torch.set_num_threads(1)
    if what == "all":
        steps = {name: ours(name) for name in positions.names()}
    else:
        steps = {"ours": ours(what), "theirs": theirs(what)}
        if what in ("learned", "rotary"):  # its fused attention takes no bias
            steps["theirs, flash"] = theirs(what, attn_flash=True)
    print(json.dumps(timed(steps)))


if __name__ == "__main__":
    main(sys.argv[1])
