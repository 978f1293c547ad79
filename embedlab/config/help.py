"""The text of `python train.py --help`: every choice by its yaml's first comment, every setting by its sentence."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from embedlab.config.tree import CONF, GROUPS, Config


def choices_help(conf: Path) -> str:
    """Return one line for each yaml below `conf`, by group: `position=learned    Learned absolute positions …`."""
    lines = []
    for group in sorted(path for path in conf.rglob("*") if path.is_dir()):
        for file in sorted(group.glob("*.yaml")):
            choice = f"{group.relative_to(conf).as_posix()}={file.stem}"
            lines.append((choice, _first_comment(file)))
    return _aligned(lines)


def settings_help(scheme: type) -> str:
    """Return one line for each setting; under position. those of the chosen scheme, whose config class is `scheme`."""
    lines = [*_settings(), *_sentences(scheme, "position.")]
    return _aligned(sorted(set(lines), key=lines.index))


def setting_names() -> list[str]:
    """Return every key that can be set, groups included, without the settings of single schemes."""
    return sorted({key for key, _ in _settings()} | {path.partition("/")[0] for path in GROUPS})


def object_settings(*choices: str) -> Iterator[str]:
    """Yield the settings that only yaml lists, those of other libraries' objects; `choices` as "trainer/default"."""
    for choice in choices:
        yield from _dotted(OmegaConf.to_container(OmegaConf.load(CONF / f"{choice}.yaml")), choice.partition("/")[0])


def _dotted(node: Any, prefix: str) -> Iterator[str]:
    for name, inner in node.items():
        if name not in ("_target_", "defaults"):
            yield f"{prefix}.{name}"
        if isinstance(inner, dict):
            yield from _dotted(inner, f"{prefix}.{name}")


def _settings() -> Iterator[tuple[str, str]]:
    """Yield (dotted key, sentence); those of a group's variants come last."""
    yield from _sentences(Config, "")
    for path, node in GROUPS.items():
        yield from _sentences(node, path.partition("/")[0] + ".")


def _sentences(node: type, prefix: str) -> Iterator[tuple[str, str]]:
    for item in fields(node):
        if isinstance(item.type, type) and is_dataclass(item.type):
            yield from _sentences(item.type, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, item.metadata.get("about", "")


def _first_comment(file: Path) -> str:
    """Return the first sentence of the comment at the top of a yaml."""
    comment = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):  # Hydra's own header, which must come first
            comment.append(line.removeprefix("#").strip())
    return re.split(r"\.(?: (?=[A-Z])|$)", " ".join(comment))[0]


def _aligned(lines: list[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in lines)
    return "\n".join(f"  {left:<{width}}  {right}".rstrip() for left, right in lines)
