"""Synthetic finished runs: folders as train.py writes them, with known answers and no training."""

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

SCHEMES = {
    "none": 3.50,
    "learned": 3.05,
    "sinusoidal": 3.30,
    "rotary": 2.77,
    "alibi": 2.90,
    "shaw": 2.79,
    "t5": 3.07,
    "fire": 2.80,
    "kerple": 2.76,
    "forgetting": 2.68,
    "cope": 2.95,
    "xpos": 2.83,
}
BYTES_PER_TOKEN = 3.1
TABLE_SCHEMES = ("learned",)  # schemes undefined past the window


def results(
    scheme: str = "none",
    seed: int = 1,
    *,
    bits: float | None = None,
    noise: float = 0.02,
    dim: int = 64,
    lr: float = 2e-3,
    lens: bool = False,
    **config: Any,
) -> dict[str, Any]:
    """Return the content of results.json; a keyword with __ sets a dotted config key, as data__context_length."""
    rng = random.Random(f"{scheme} {seed} {dim} {lr}")
    shared = random.Random(seed).gauss(0, noise)  # the effect of a seed, equal for all schemes
    if bits is None:
        bits = SCHEMES.get(scheme, 3.0) * (64 / dim) ** 0.08 + 0.3 * math.log10(lr / 2e-3) ** 2
        bits += shared + rng.gauss(0, noise / 2)
    whole: dict[str, Any] = {
        "seed": seed,
        "output_dir": "outputs",
        "cache_dir": "cache",
        "corpus": {"name": "python_docs", "val_fraction": 0.1, "test_fraction": 0.1},
        "tokenizer": {"name": "gpt2", "vocab_size": 4096},
        "data": {"context_length": 64, "stride": 64, "batch_size": 8, "num_workers": 0, "max_eval_tokens": 8192},
        "model": {"head": "attention", "embedding_dim": dim, "n_layers": 2, "n_heads": 4, "mlp_ratio": 4},
        "position": {"name": scheme, "file": None},
        "optimizer": {"lr": lr, "weight_decay": 0.01},
        "evaluation": {"length_factors": [1, 2, 4, 8], "shuffle_keep": [0, 1, 4, 16], "max_tokens": 4096},
        "trainer": {"_target_": "lightning.Trainer", "max_steps": 200, "max_epochs": -1},
        "logger": {},
        "callbacks": {},
    }
    if scheme == "rotary":
        whole["position"]["base"] = 10000.0
    for key, value in config.items():
        *path, last = key.split("__")
        node = whole
        for part in path:
            node = node[part]
        node[last] = value
    context = whole["data"]["context_length"]
    loss = bits * math.log(2) * BYTES_PER_TOKEN
    score = {"loss": loss, "perplexity": math.exp(loss), "bits_per_byte": bits}
    total = 4096 * dim + 24 * dim * dim + (context * dim if scheme == "learned" else 0)
    found: dict[str, Any] = {
        "schema": 1,
        "seed": seed,
        "config": whole,
        "position": scheme,
        "parameters": {
            "total": total,
            "position": context * dim if scheme == "learned" else 0,
            "embedding": 4096 * dim,
            "head": 24 * dim * dim,
        },
        "val": {key: value * 1.01 for key, value in score.items()},
        "test": score,
        "baselines": {"unigram": 9.0, "bigram": 8.0, "unigram_entropy": 9.0},
        "loss_by_position": [loss + 1.6 / (1 + i) + rng.gauss(0, 0.02) for i in range(context)],
        "test_pieces": _pieces(bits, random.Random(f"{scheme} {seed} {dim} pieces")),
        "extrapolation": [
            _longer(scheme, protocol, factor, context, bits)
            for protocol in ("non_overlapping", "sliding")
            for factor in (1, 2, 4, 8)
        ],
        "order_sensitivity": [
            {"keep": keep, "loss": loss + rise, "rise": rise}
            for keep in (0, 1, 4, 16)
            if (rise := (3.6 - bits) * 1.2 / (1 + keep)) > -9
        ],
        "tokens_per_second": 41_000 * (64 / dim) * rng.uniform(0.8, 1.2),
        "eval_tokens_per_second": 90_000.0,
        "train_seconds": 21.5,
        "peak_memory_bytes": 700_000_000,
        "cautions": ["learned: no vector past position 63"] if scheme == "learned" else [],
        "versions": {"embedlab": "0.1.0", "torch": "2.13.0", "lightning": "2.6.6", "python": "3.11.9"},
        "corpus": {"name": whole["corpus"]["name"], "sha256": "ab" * 32, "tokens": 139_000},
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "command": f"python train.py position={scheme} seed={seed} model.embedding_dim={dim} optimizer.lr={lr}",
    }
    if lens:
        found["position_lens"] = _lens(scheme, rng)
    return found


def _pieces(bits: float, rng: random.Random, pieces: int = 128) -> dict[str, Any]:
    """Return windows of 64 tokens that are harder or easier for all schemes, and add up to the score."""
    text = random.Random(0)
    sizes = [text.randint(150, 250) for _ in range(pieces)]
    each = [bits * (1 + text.gauss(0, 0.1) + rng.gauss(0, 0.01)) for _ in range(pieces)]
    right = bits * sum(sizes) / sum(map(math.prod, zip(each, sizes, strict=True)))
    losses = [right * value * size * math.log(2) / 64 for value, size in zip(each, sizes, strict=True)]
    return {"unit": "window", "loss": losses, "tokens": [64] * pieces, "bytes": sizes}


def _longer(scheme: str, protocol: str, factor: int, context: int, bits: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"context_length": context * factor, "protocol": protocol}
    if scheme in TABLE_SCHEMES and factor > 1:
        return entry | {
            "loss": None,
            "bits_per_byte": None,
            "defined": False,
            "note": f"undefined past its table of {context} positions",
        }
    slope = {"rotary": 0.7, "sinusoidal": 0.3, "t5": 0.2}.get(scheme, -0.01)
    value = bits + slope * math.log2(factor) + (0.05 if protocol == "non_overlapping" else 0)
    return entry | {"loss": value * 2.15, "bits_per_byte": value, "defined": True, "note": ""}


def _lens(scheme: str, rng: random.Random) -> dict[str, Any]:
    """Return two layers of four heads over 64 distances, as embedlab.evaluation.lens writes them."""

    def logit(head: int, distance: int) -> float:
        slope = 2.0 ** (-2 * (head + 1)) if scheme == "alibi" else 0.05 * (head + 1)
        return -slope * distance + rng.gauss(0, 0.05)

    logits = [[[logit(head, distance) for distance in range(64)] for head in range(4)] for _ in range(2)]
    weights = [[[math.exp(x) / 8 for x in head] for head in layer] for layer in logits]
    return {"windows": 8, "logits": logits, "weights": weights}


def write(folder: Path, found: dict[str, Any] | None = None, steps: int = 8, **config: Any) -> Path:
    """Write a run's folder with results.json and metrics.csv, and return it."""
    found = found if found is not None else results(**config)
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    with open(folder / "metrics.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "train/loss", "val/loss"])
        end = found["val"]["loss"] if isinstance(found.get("val"), dict) else 5.0
        for at in range(1, steps + 1):
            step = at * 25
            writer.writerow([0, step, end + 3 / at, ""])
            writer.writerow([0, step, "", end + 2.5 / at - 2.5 / steps])
    (folder / "results.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def sweep(top: Path, schemes: list[str] | None = None, seeds: int = 3, **config: Any) -> Path:
    """Write a run for every scheme and seed below `top`, and return `top`."""
    for scheme in schemes or list(SCHEMES):
        for seed in range(1, seeds + 1):
            write(
                top / f"position={scheme},seed={seed}" / "_".join(f"{k}={v}" for k, v in config.items()),
                scheme=scheme,
                seed=seed,
                **config,
            )
    return top
