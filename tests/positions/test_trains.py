"""Every scheme in a run of the whole program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedlab import positions

ROOT = Path(__file__).parents[2]


def losses(tmp_path: Path, *overrides: str) -> dict[str, float]:
    """Return the validation loss by scheme after a sweep of a few steps over all of them, which must succeed."""
    names = positions.names()
    tmp_path.mkdir()
    text = tmp_path / "text.txt"
    text.write_text("The cat sat on the mat, and the mat lay under the cat. " * 200)
    command = [
        *(sys.executable, "train.py", "-m", f"position={','.join(names)}", "corpus=files", f"corpus.path={text}"),
        *(
            "tokenizer=bytes",
            "data.context_length=16",
            "data.batch_size=4",
            "model.embedding_dim=16",
            "model.n_heads=4",
        ),
        *("trainer.max_steps=3", "trainer.val_check_interval=3", "evaluation.max_tokens=128", f"output_dir={tmp_path}"),
        f"cache_dir={tmp_path}",
        *overrides,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    runs = [json.loads(path.read_text()) for path in (tmp_path / "sweeps").rglob("results.json")]
    assert sorted(run["position"] for run in runs) == names
    for run in runs:
        counts = run["parameters"]
        assert counts["total"] == counts["position"] + counts["embedding"] + counts["head"]
    return {run["position"]: run["val"]["loss"] for run in runs}


@pytest.mark.slow
def test_a_sweep_over_all_schemes_succeeds_in_float32_and_bfloat16(tmp_path: Path) -> None:
    single = losses(tmp_path / "single")
    half = losses(tmp_path / "half", "trainer.precision=bf16-mixed")  # what trainer=gpu sets
    for name, loss in single.items():
        assert half[name] == pytest.approx(loss, rel=0.01), name
