"""Schemes on a CUDA device: equal to the CPU in float32, close to it in bfloat16, and a whole run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from embedlab.positions import names
from tests.positions.tiny_model import TinyModel, some_ids

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: none here"),
]
every_scheme = pytest.mark.parametrize("name", names())


def logits_and_gradients(model: TinyModel, device: str) -> list[Tensor]:
    ids = some_ids().to(device)
    logits = model(ids, positions=torch.arange(ids.size(1), device=device))
    logits.logsumexp(-1).sum().backward()
    return [logits.detach().cpu(), *(p.grad.cpu() for p in model.parameters() if p.grad is not None)]


@every_scheme
def test_float32_equals_the_cpu(name: str) -> None:
    torch.set_float32_matmul_precision("highest")
    here, there = TinyModel(name), TinyModel(name).cuda()
    pairs = zip(logits_and_gradients(here, "cpu"), logits_and_gradients(there, "cuda"), strict=True)
    for expected, found in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@every_scheme
def test_bfloat16_is_close(name: str) -> None:
    expected, *_ = logits_and_gradients(TinyModel(name), "cpu")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        found, *gradients = logits_and_gradients(TinyModel(name).cuda(), "cuda")
    assert (found.float() - expected).abs().mean() < 0.2  # logits of size 4; bfloat16 keeps 8 bits
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_scheme
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own
def test_compiled_attention_is_equal(name: str) -> None:
    model = TinyModel(name).cuda().eval()
    ids = some_ids().cuda()
    positions = torch.arange(ids.size(1), device="cuda")
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model)(ids, positions), model(ids, positions), rtol=1e-4, atol=1e-4)


def test_a_run_on_the_gpu_succeeds(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "experiment=smoke", "trainer=gpu", f"output_dir={tmp_path}"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = tmp_path.rglob("results.json")
    assert json.loads(path.read_text())["val"]["loss"] < 5  # nats; it starts near ln(257) = 5.55
