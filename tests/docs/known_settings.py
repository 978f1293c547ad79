"""Which settings and choices exist, for the pages that name them."""

import re
from collections.abc import Set
from dataclasses import fields
from functools import cache
from importlib.util import find_spec

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from embedlab import positions
from embedlab.config.help import setting_names
from embedlab.runs.results_keys import get_declared_keys
from embedlab.training.whole_config import register
from tests.conftest import ROOT

PLACEHOLDER = re.compile(r"[A-Z]{2,}|…")
OVERRIDE = re.compile(r"[+~]?([a-z_]+(?:[./][a-z_]+)*)=(.*)")
KEY = re.compile(r"[a-z_]+(?:\.[a-z_]+)+(?<!\.py)")
NOT_SETTINGS = {"resume"}  # replaced before Hydra parses the arguments


@cache
def known_keys() -> frozenset[str]:
    """Every key: of the default run, of Hydra and both launchers, of every group's choices and every scheme."""
    register()
    keys = {*setting_names(), *NOT_SETTINGS}
    launchers = ["processes", *(["slurm"] if find_spec("submitit") else [])]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for launcher in launchers:
            keys |= flat(compose("config", [f"hydra/launcher={launcher}"], return_hydra_config=True))
    for name in positions.names():
        keys |= {f"position.{field.name}" for field in fields(positions.config_class(name))}
    return frozenset(keys)


def flat(node: DictConfig, prefix: str = "") -> set[str]:
    keys = set()
    for name in map(str, node):
        keys.add(prefix + name)
        inner = node._get_node(name)
        if isinstance(inner, DictConfig) and not inner._is_none() and not inner._is_interpolation():
            keys |= flat(inner, f"{prefix}{name}.")
    return keys


def unknown(word: str, known: Set[str]) -> str | None:
    """Return why a word of a page names a choice or a setting that does not exist; None if it is right or neither."""
    if found := OVERRIDE.fullmatch(word.strip("'")):
        key, value = found.groups()
        if (ROOT / "conf" / key).is_dir():
            names = [name for name in value.split(",") if name and not PLACEHOLDER.search(name)]
            missing = [name for name in names if not (ROOT / "conf" / key / f"{name}.yaml").is_file()]
            return f"{key}={missing[0]} does not exist" if missing else None
        return None if key in known else f"{key} is no setting"
    if KEY.fullmatch(word) and word.split(".")[0] in groups() and word not in known and word not in result_keys():
        return f"{word} is no setting"
    return None


def groups() -> set[str]:
    return {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}


@cache
def result_keys() -> frozenset[str]:
    return frozenset(key.path for key in get_declared_keys())


def composed(overrides: list[str], *, sweep: bool) -> list[DictConfig]:
    """Compose a command's settings; of a sweep, each of its values once."""
    register()
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = [
        list(one.sweep_string_iterator()) if one.is_sweep_override() else [one.get_value_element_as_str()]
        for one in parsed
    ]
    assert sweep or all(len(each) == 1 for each in values), f"{overrides} need -m"
    lines = []
    for turn in range(max(map(len, values), default=1)):
        lines.append(
            [f"{one.get_key_element()}={each[turn % len(each)]}" for one, each in zip(parsed, values, strict=True)]
        )
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return [compose("config", ["run_dir=.", *line]) for line in lines]


def is_sweep(overrides: list[str]) -> bool:
    """Whether the experiment that they choose is a sweep by itself."""
    chosen = [value.removeprefix("experiment=") for value in overrides if value.startswith("experiment=")]
    return any(
        OmegaConf.select(OmegaConf.load(ROOT / "conf" / "experiment" / f"{name}.yaml"), "hydra.mode") == "MULTIRUN"
        for name in chosen
    )
