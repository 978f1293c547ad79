"""Every setting that `--help` lists, and values that nobody should give it."""

import traceback
from collections.abc import Callable, Sequence

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from embedlab import positions
from embedlab.config.errors import UserError
from embedlab.config.explain import explain
from embedlab.config.help import object_settings, setting_names, settings_help
from embedlab.config.tree import CONF
from embedlab.sweep.composing import Composer
from embedlab.training.whole_config import check_config, register

VARIANTS = {"corpus.path": "files", "corpus.field": "files", "corpus.url": "verdict", "corpus.sha256": "verdict"}
VALUES = [
    "0", "-1", "1", "3", "-0.0", "0.5", "1e-320", "4294967296", "9223372036854775808", "1" + "0" * 40, "1e400",
    "-1e308", "nan", "inf", "-inf", ".nan", "null", "true", "false", "''", "' '", "[]", "[1,2]", "[null]", "[[1]]",
    "{}", "{a:1}", "{name:none}", "abc", "???", "'???'", "/", "/dev/null", "/nope/x.txt", "~nobody-here/x", "..",
    "${seed}", "${nope}", "${oc.env:NOPE}", "'${'", "\"a\\nb\"", "ünï", "a b", "a=b", "a,b", "'a,b'", "range(3)",
    "glob(*)", "%s", "'*'",
]  # fmt: skip


def keys() -> list[tuple[str, ...]]:
    """Return each setting, with the choice of a group in front of it if only that choice has the setting."""
    found: list[tuple[str, ...]] = []
    for name in setting_names():
        found.append((f"corpus={VARIANTS[name]}", name) if name in VARIANTS else (name,))
    for scheme in positions.names():
        listed = settings_help(positions.config_class(scheme)).splitlines()
        own = {line.split()[0] for line in listed if line.split()[0].startswith("position.")}
        found += [(f"position={scheme}", name) for name in sorted(own)]
    inner = object_settings("trainer/default", "callbacks/default", "logger/tensorboard")
    return [*found, *((name,) for name in inner)]


def composer() -> Callable[[Sequence[str]], str | None]:
    """Return a function of overrides: None if they compose and pass the checks, else the line that a user would read.

    It raises whatever the command line would show as a traceback.
    """
    register()
    OmegaConf.register_new_resolver("job_folder", lambda name: name, replace=True)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", ["run_dir=somewhere"], run_mode=RunMode.MULTIRUN)
        compose = Composer(loader, master)

    def line(overrides: Sequence[str]) -> str | None:
        try:
            cfg = compose(["run_dir=somewhere", *overrides])
            with open_dict(cfg):
                del cfg["hydra"]
            check_config(cfg)
        except UserError as error:
            return str(error)
        except (HydraException, OmegaConfBaseException) as error:
            return explain(error)
        except (ValueError, TypeError) as error:  # only if Hydra's own code raised it
            if "/hydra/" not in traceback.extract_tb(error.__traceback__)[-1].filename:
                raise
            return explain(error)
        return None

    return line
