"""What a run on a text of 200 MB costs above one on 2 MB: nothing, once the tokens are in the cache.

In a figure is a whole `python train.py` of 10 steps on one thread, with all evaluations and callbacks of a default run,
from the process's start to its end. CPU seconds, because other programs take from a shared machine's wall time.

python -m pytest tests/benchmarks/test_corpus_size.py -s
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from embedlab.config.corpora import FilesConfig
from embedlab.config.groups import TokenizerConfig
from embedlab.data import encode_parallel
from embedlab.data.tokenizer import load_tokenizer
from embedlab.data.tokens import prepare
from tests.conftest import ROOT

SIZES = {"small": 2_000_000, "large": 200_000_000}  # bytes
TURNS = 3
MOST_MORE = 0.5  # seconds
TOKENIZERS = (["tokenizer=bytes"], ["tokenizer=gpt2", "tokenizer.vocab_size=2048"])


@pytest.fixture(scope="module")
def texts(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The paragraphs of ../shared/corpora, in a new order again and again, as two texts."""
    paragraphs = (corpora / "tinyshakespeare.txt").read_text("utf-8").split("\n\n")
    draw = random.Random(0)
    found = {}
    for name, size in SIZES.items():
        found[name] = tmp_path_factory.mktemp("text") / f"{name}.txt"
        with found[name].open("w", encoding="ascii") as file:
            while (missing := size - file.tell()) > 0:
                draw.shuffle(paragraphs)
                file.write(("\n\n".join(paragraphs) + "\n\n")[:missing])
    return found


def run(path: Path, folder: Path, tokenizer: list[str]) -> tuple[float, float]:
    """Return (wall, CPU) seconds of a whole run."""
    places = (f"corpus.path={path}", f"cache_dir={folder}/cache", f"output_dir={folder}/outputs")
    size = ("model.embedding_dim=64", "trainer.max_steps=10", "threads=1")
    command = [sys.executable, "train.py", "corpus=files", *places, *size, *tokenizer]
    started, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took, after = time.perf_counter() - started, os.times()
    return took, after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["bytes", "gpt2"])
def test_a_second_run_does_not_depend_on_the_size(texts: dict[str, Path], tmp_path: Path, tokenizer: list[str]) -> None:
    print()
    for name, path in texts.items():
        print(f"{name}: first run, which tokenizes, {run(path, tmp_path, tokenizer)[1]:.1f} s of CPU")
    turns = [{name: run(path, tmp_path, tokenizer) for name, path in texts.items()} for _ in range(TURNS)]
    for name in texts:
        wall, cpu = (median(turn[name][kind] for turn in turns) for kind in (0, 1))
        print(f"{name}: later runs {cpu:.2f} s of CPU, {wall:.2f} s of wall time")
    more = median(turn["large"][1] - turn["small"][1] for turn in turns)
    print(f"the large text costs {more:+.2f} s (goal: at most {MOST_MORE} s)")
    assert more <= MOST_MORE


def test_tokenizing_uses_all_cores(texts: dict[str, Path], tmp_path: Path) -> None:
    """Print how many times as fast, because another program's load decides it."""
    tokenizer = load_tokenizer(TokenizerConfig("gpt2", None), tmp_path)
    config = FilesConfig("files", 0.1, 0.1, str(texts["large"]), "text")
    seconds = {}
    ids = {}
    for name, cores in (("one thread", 1), ("all cores", encode_parallel.available_cores())):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encode_parallel, "available_cores", lambda cores=cores: cores)
            started = time.perf_counter()
            ids[name] = prepare(config, tokenizer, tmp_path / name).train
            seconds[name] = time.perf_counter() - started
    print(f"\n200 MB as gpt2: {', '.join(f'{name} {took:.1f} s' for name, took in seconds.items())}")
    assert ids["one thread"].tobytes() == ids["all cores"].tobytes()
