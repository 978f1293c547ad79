"""The schema of results.json: a real run's file follows it, the docs show it, the comparison reads no other key."""

import ast
import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict

import pytest

from embedlab.config.tree import Config
from embedlab.evaluation import measure
from embedlab.evaluation.evaluate_checkpoint import evaluate_checkpoint
from embedlab.runs.measured import PositionLens, Scores
from embedlab.runs.provenance import git_state
from embedlab.runs.results import Results
from embedlab.runs.results_keys import fields, get_declared_keys, key_table, units
from embedlab.training.run import train

ROOT = Path(__file__).parents[2]
OLDER = {"position_lens.distances", "position_lens.layers"}  # of files of an earlier form, which are still read


def mismatches(value: Any, kind: Any, path: str) -> Iterator[str]:
    """Yield one line for each part of the JSON `value` that is not of the declared `kind`."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if is_typeddict(kind):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        known = {name: inner for name, inner, _ in fields(kind)}
        yield from (f"{path}.{name} is unknown" for name in value.keys() - known.keys())
        yield from (f"{path}.{name} is missing" for name in kind.__required_keys__ - value.keys())
        for name in value.keys() & known.keys():
            yield from mismatches(value[name], known[name], f"{path}.{name}")
    elif origin in (Union, types.UnionType):
        if all(any(mismatches(value, part, path)) for part in parts):
            yield f"{path} is none of {kind}"
    elif origin is Literal:
        if value not in parts:
            yield f"{path} is none of {parts}"
    elif origin in (list, dict):
        if not isinstance(value, origin):
            yield f"{path} is no {origin.__name__}"
            return
        entries = enumerate(value) if origin is list else value.items()
        for name, entry in entries:
            yield from mismatches(entry, parts[-1], f"{path}[{name}]")
    elif type(value) is not kind:
        yield f"{path} is {type(value).__name__}, not {kind.__name__}"


def test_mismatches_are_found() -> None:
    score = {"loss": 1.0, "perplexity": 2.0, "bits_per_byte": 3.0}
    lens = {"windows": 1, "logits": [[[1.0, None]]], "weights": [[[1.0]]]}
    assert not [*mismatches(score, Scores, "val")]
    assert not [*mismatches(lens, PositionLens | None, "lens")]
    assert [*mismatches(score | {"loss": 1}, Scores, "val")] == ["val.loss is none of float | None"]
    assert [*mismatches(score | {"new": 1}, Scores, "val")] == ["val.new is unknown"]
    assert [*mismatches({"loss": 1.0, "perplexity": 2.0}, Scores, "val")] == ["val.bits_per_byte is missing"]
    assert [*mismatches(lens | {"logits": [[["1"]]]}, PositionLens | None, "lens")]
    assert [*mismatches({"commit": 3}, dict[str, str], "git")] == ["git[commit] is int, not str"]


@pytest.mark.parametrize("overrides", [["position=learned"], ["model=linear", "position=none"]])
def test_a_run_follows_the_schema(make_config: Callable[..., Config], tiny: list[str], overrides: list[str]) -> None:
    few = [override for override in tiny if not override.startswith("model.n_heads")]
    config = make_config(*few, *overrides, "evaluation.length_factors=[1,2]", "trainer.max_steps=4")
    train(config, measure)
    written = json.loads(Path(config.run_dir, "results.json").read_text())
    assert [*mismatches(written, Results, "results")] == []
    evaluate_checkpoint(config, Path(config.run_dir, "checkpoints", "best.ckpt"), written, Path(config.run_dir))
    written = json.loads(Path(config.run_dir, "results.json").read_text())
    assert [*mismatches(written, Results, "results")] == []
    assert list(written) == [name for name, _, _ in fields(Results) if name in written], "the order of the docs' table"


def test_a_source_outside_git_has_no_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {}


def test_every_key_has_a_meaning_and_units_are_known() -> None:
    found = {key.path: key for key in get_declared_keys()}
    assert all(key.key.about for key in found.values())
    assert found["extrapolation[].bits_per_byte"].kind == "number or null"
    assert found["tables.neighbours[].neighbours[].cosine"].kind == "number"
    assert units()["test.bits_per_byte"] == "bits/byte"
    assert units()["order_sensitivity.rise"] == "nats/token"
    assert units()["train_seconds"] == "s"


def test_the_docs_show_the_table() -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    _, begin, rest = text.partition("<!-- keys of results.json, printed by: python -m embedlab.runs.results_keys -->\n")
    shown, end, _ = rest.partition("<!-- end of keys -->")
    assert begin and end
    assert shown == key_table(), "replace the table by what `python -m embedlab.runs.results_keys` prints"


def keys_read(source: Path) -> Iterator[str]:
    """Yield the dotted keys that calls like run.number("val", "loss") or row.average("test") name in full."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("number", "part", "entries", "text", "average"):
            keys = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if keys and len(keys) == len(node.args):
                yield ".".join(map(str, keys))


def test_the_comparison_reads_only_declared_keys() -> None:
    read = {key for path in (ROOT / "embedlab" / "compare").rglob("*.py") for key in keys_read(path)}
    assert {"parameters.total", "baselines.bigram", "extrapolation", "loss_by_position", "git.dirty"} <= read
    by_package = {key for key in read if key.startswith("versions.")}  # named by package
    assert read - by_package - OLDER <= units().keys()
