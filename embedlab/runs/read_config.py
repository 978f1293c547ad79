"""Read the config that a run's folder holds. Imports no torch."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from embedlab.config.errors import UserError
from embedlab.config.explain import suggest
from embedlab.config.home import expand_user
from embedlab.config.omegaconf_errors import describe_wrong_value
from embedlab.config.overrides import override, unquote
from embedlab.config.paths import absolute_paths, with_values
from embedlab.config.program import lists_all
from embedlab.config.tree import CONF, GROUPS, Config


def read_config(folder: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """Return the config in .hydra/ of the run's folder, changed by `overrides`.

    Evaluation settings that are newer than the run come from conf/evaluation/default.yaml. Raises UserError if the
    config is missing, is not of this version, or does not accept an override.
    """
    path = folder / ".hydra" / "config.yaml"
    if not path.is_file():
        raise UserError(f"{path} is missing: without it the model's shape is unknown")
    try:
        saved = OmegaConf.load(path)
        assert isinstance(saved, DictConfig)
        saved = with_values(saved, relative_paths(folder, saved))
        saved.evaluation = OmegaConf.merge(default_evaluation(), saved.evaluation)
        saved.run_dir = str(folder.resolve())  # ${hydra:…} is known only inside a job
        schema = OmegaConf.structured(Config)
        schema.corpus = OmegaConf.structured(corpus_class(saved))
        cfg = OmegaConf.merge(schema, saved)
    except (OmegaConfBaseException, YAMLError, AssertionError, AttributeError, TypeError, OSError) as error:
        raise UserError(f"{path} is not a config of this version of embedlab: {_first_line(error)}") from error
    for text in overrides:
        try:
            given = OmegaConf.from_dotlist([text])
            cfg = OmegaConf.merge(cfg, with_values(given, absolute_paths(given, Path.cwd())))
        except ConfigKeyError as error:
            raise UserError(f"{text} names no setting{suggest(text)}: {lists_all()}") from error
        except (OmegaConfBaseException, YAMLError) as error:
            raise UserError(describe_wrong_value(error, text) or f"{text}: {_first_line(error)}") from error
    assert isinstance(cfg, DictConfig)
    return cfg


def recorded_overrides(folder: Path) -> list[str]:
    """Return the overrides of the run in `folder`, with absolute paths. Raises UserError if they cannot be read."""
    try:
        overrides = [str(override) for override in OmegaConf.load(folder / ".hydra" / "overrides.yaml")]
        saved = OmegaConf.load(folder / ".hydra" / "config.yaml")
        assert isinstance(saved, DictConfig)
    except (OmegaConfBaseException, YAMLError, AssertionError, TypeError, OSError) as error:
        raise UserError(f"{folder}/.hydra cannot be read ({_first_line(error)}): start a new run") from error
    return [*overrides, *(override(key, value) for key, value in relative_paths(folder, saved).items())]


def expand_resume(arguments: list[str]) -> list[str]:
    """Replace `resume=FOLDER` by the overrides and the folder of the run in FOLDER. Raises UserError if it has none."""
    given = [argument for argument in arguments if argument.startswith("resume=")]
    if not given:
        return arguments
    folder = Path(os.path.abspath(expand_user(unquote(given[-1].removeprefix("resume=")), "resume")))
    if not (folder / ".hydra" / "overrides.yaml").is_file():
        raise UserError(f"{given[-1]} holds no .hydra/overrides.yaml: give the folder of an interrupted run")
    one_run = ["hydra.mode=RUN", override("hydra.run.dir", str(folder))]  # a job of a sweep is resumed alone
    return [*recorded_overrides(folder), *(argument for argument in arguments if argument not in given), *one_run]


def relative_paths(folder: Path, saved: DictConfig) -> dict[str, Any]:
    """Return {setting: absolute path} of the relative paths in a config that embedlab 0.2.0 wrote.

    They are relative to the working folder of that run.
    """
    with suppress(OmegaConfBaseException, YAMLError, OSError):
        if base := OmegaConf.select(OmegaConf.load(folder / ".hydra" / "hydra.yaml"), "hydra.runtime.cwd"):
            return absolute_paths(saved, Path(base))
    return {}


def default_evaluation() -> DictConfig:
    """Return conf/evaluation/default.yaml without its defaults list, which is for Hydra."""
    node = OmegaConf.load(CONF / "evaluation" / "default.yaml")
    assert isinstance(node, DictConfig)
    del node["defaults"]
    return node


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def corpus_class(saved: DictConfig) -> type:
    """Return the config class with the settings of the saved corpus. Raises UserError if there is none."""
    for path, node in GROUPS.items():
        if path.startswith("corpus/") and {item.name for item in fields(node)} == set(saved.corpus):
            return node
    raise UserError(f"corpus={saved.corpus.get('name')} has settings that this version of embedlab does not know")
