"""Run commands as a shell does: in the user's folder, with the user's environment."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}  # a terminal that has only ASCII
TINY = [
    "corpus=files",
    "tokenizer=bytes",
    "model.embedding_dim=16",
    "model.n_heads=2",
    "data.context_length=16",
    "data.batch_size=16",
    "data.max_eval_tokens=64",
    "trainer.max_steps=2",
    "trainer.val_check_interval=2",
    "evaluation.max_tokens=64",
    "evaluation.order_windows=4",
    "evaluation.length_factors=[1]",
    "callbacks.projector=null",
    "callbacks.figures=null",
    "callbacks.texts=null",
    "threads=1",
]


def command(module: str, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python train.py …` or `python -m embedlab.MODULE …` in `folder`, which is also the home folder."""
    start = [str(ROOT / "train.py")] if module == "train" else ["-m", f"embedlab.{module}"]
    known = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        env=known | environment,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=300,
        check=False,
    )


def train(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run two steps on `folder`/text.txt; -m makes it a sweep."""
    sweep = [argument for argument in arguments if argument == "-m"]
    rest = [argument for argument in arguments if argument != "-m"]
    resumed = any(argument.startswith("resume=") for argument in rest)  # all settings come from the folder
    tiny = [] if resumed else [*TINY, "corpus.path=text.txt", "cache_dir=cache"]
    return command("train", folder, *sweep, *tiny, *rest, **environment)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return stdout and stderr together."""
    return done.stdout + done.stderr


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, said(done)
    assert "Traceback" not in said(done)
    return said(done)


def write_text(path: Path, paragraphs: int = 60) -> Path:
    """Write a text of about 10 kB and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = ["time", "river", "stone", "position", "of", "the", "and", "a", "learned", "token", "window", "is", "far"]
    lines = (" ".join(words[i % 7 :] + words[: i % 5]) + f" {i}." for i in range(paragraphs))
    path.write_text("\n\n".join(line * 3 for line in lines), encoding="utf-8")
    return path
