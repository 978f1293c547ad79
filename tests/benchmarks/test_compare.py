"""1,000 runs are compared in under 10 s, imports, figures and report included.

`python -m pytest tests/benchmarks/test_compare.py -s`
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "compare"))
from tests.compare import synthetic


@pytest.mark.parametrize("widths", [[16, 32, 64, 128, 256], [64]], ids=["60 settings", "12 settings"])
def test_a_thousand_runs(tmp_path: Path, widths: list[int]) -> None:
    seeds = -(-1000 // (len(synthetic.SCHEMES) * len(widths)))
    for dim in widths:
        synthetic.sweep(tmp_path / "sweep", seeds=seeds, dim=dim, lens=True)
    runs = len(list(tmp_path.rglob("results.json")))
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) / 2**20
    start, before = time.perf_counter(), os.times()
    subprocess.run(
        [sys.executable, "-m", "embedlab.compare", str(tmp_path / "sweep")], check=True, stdout=subprocess.DEVNULL
    )
    took, after = time.perf_counter() - start, os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    settings = len(widths) * len(synthetic.SCHEMES)
    print(f"\n{runs} runs ({size:.0f} MiB), {settings} settings: {took:.1f} s, of it {busy:.1f} s busy")
    assert runs >= 1000
    assert busy < 10  # one thread, so this is the wall time on an idle core
