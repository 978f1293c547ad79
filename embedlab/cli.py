"""The command line around training: compose, check, train; every mistake is one short message.

Nothing heavy is imported before the config is known to be right.
"""

import contextlib
import json
import logging
import math
import multiprocessing
import os
import re
import shutil
import sys
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from embedlab import sweep
from embedlab.config.errors import UserError
from embedlab.config.explain import explain
from embedlab.config.help import choices_help, settings_help
from embedlab.config.settings import expanded
from embedlab.config.tree import CONF
from embedlab.distributed.launcher import device_count, train_on
from embedlab.positions import config_class
from embedlab.positions.check import check_config, register
from embedlab.runs.folder import ERROR, LOCK, ElsewhereError, job_folder, lock_folder, quoted, results_of, write_error
from embedlab.runs.full_disk import full_disk, report_full_disk
from embedlab.runs.results import diverged_line
from embedlab.runs.signals import STATUSES, at_once, handled_by, requeue_on_timeout
from embedlab.sweep.processes import exit_with_parent, stopped
from embedlab.sweep.progress import time_left

log = logging.getLogger("embedlab")
OVERRIDE = re.compile(r"[^-=][^=]*=|~[^/]*$")  # KEY=VALUE, +KEY=VALUE, ~KEY; never an option


def main() -> None:
    """`python train.py`: Hydra's command line over `job`; exit status 1 and one line for a user's mistake."""
    register()
    OmegaConf.register_new_resolver("choices_help", lambda: choices_help(CONF), replace=True)
    OmegaConf.register_new_resolver(
        "settings_help", lambda name, file: settings_help(config_class(name, file)), replace=True
    )
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    sys.path.append(str(Path(sweep.__file__).parent / "on_path"))  # where Hydra finds our sweeper
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on, instead of printing them in its own way
    try:
        sys.argv[1:] = arrange(expand_resume(sys.argv[1:]))
        with report_full_disk(Path("output_dir")):  # Hydra itself writes there first
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except BrokenPipeError:  # `--help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # Hydra has errors of its own, and lets those of Python through for strange values
        if wants_traceback:
            raise
        sys.exit(f"error: {error if isinstance(error, UserError) else explain(error)}")


def expand_resume(arguments: list[str]) -> list[str]:
    """`resume=FOLDER` as the settings that the run in FOLDER was given, and its folder."""
    given = [argument for argument in arguments if argument.startswith("resume=")]
    if not given:
        return arguments
    folder = expanded(given[-1].removeprefix("resume="), "resume")
    overrides = folder / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        raise UserError(f"{given[-1]} holds no .hydra/overrides.yaml: give the folder of an interrupted run")
    recorded = [str(override) for override in OmegaConf.load(overrides)]
    one_run = ["hydra.mode=RUN", f"hydra.run.dir={quoted(str(folder))}"]  # a job of a sweep goes on by itself
    return [*recorded, *(argument for argument in arguments if argument not in given), *one_run]


def arrange(arguments: list[str]) -> list[str]:
    """Hydra's options first, then the overrides: `seed=1 -m position=none,alibi` is a sweep wherever the -m stands.

    Raises UserError for an option that Hydra does not know.
    """
    overrides = [word for word in arguments if OVERRIDE.match(word)]
    options = [word for word in arguments if word not in overrides]
    known = {name for action in get_args_parser()._actions for name in action.option_strings}
    for word in options:
        name, equals, _ = word.partition("=")
        if re.match(r"--?[a-z]", word) and not any(option.startswith(name) for option in known):
            remedy = (
                f"write {word.lstrip('-')}, without dashes" if equals else "`python train.py --hydra-help` lists all"
            )
            raise UserError(f"{word} is no option: {remedy}")
    return [*options, *overrides]


def job(cfg: DictConfig) -> float:
    """One run, or one job of a sweep; gives the validation loss back, for sweepers that optimise."""
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    if stopped:
        raise SystemExit(stopped[0])
    if in_sweep and multiprocessing.current_process().name != "MainProcess":
        exit_with_parent()
    try:
        with requeue_on_timeout(), handled_by(at_once), report_full_disk(folder):
            return run_or_skip(cfg, folder, wait=bool(HydraConfig.get().sweeper.get("wait")))
    except ElsewhereError:
        if in_sweep:
            raise
        sys.exit(f"error: another process works in {folder}: wait for it, or give another folder")
    except SystemExit as stop:
        if stop.code in STATUSES and in_sweep:
            stopped.append(stop.code)
        elif stop.code in STATUSES:
            log.info("to go on: python train.py resume=%s", folder)
        raise
    except Exception as error:
        if in_sweep:  # into the job's own folder and log; the sweep goes on to its other jobs
            line = write_error(folder, error)
            log.error("error: %s", line)
            raise JobFailedError(line) from None
        if isinstance(error, UserError):
            remove_empty_run(folder)
            here = f" with resume={folder}" if full_disk(error) and folder.exists() else ""
            sys.exit(f"error: {error}{here}")
        if isinstance(error, BrokenPipeError):
            raise
        sys.exit(f"error: {write_error(folder, error)}; the traceback is in {folder / ERROR}")


def run_or_skip(cfg: DictConfig, folder: Path, wait: bool) -> float:
    """Train unless that is done already; ElsewhereError where another process is at it."""
    config = check_config(cfg)
    with lock_folder(folder, wait):
        told = HydraConfig.get().sweeper
        if label := told.get("label"):
            log.info("%s%s", label, time_left(folder.parent, told.begun, told.jobs))
        if (results := results_of(folder, config)) is not None:
            log.info("%s was finished before, skipped", folder)
        else:
            (folder / ERROR).unlink(missing_ok=True)
            if (n := device_count(config)) > 1:
                train_on(n, folder)
            else:
                from embedlab.evaluation import measure
                from embedlab.sweep.isolation import isolated  # torch and Lightning: seconds that a mistyped
                from embedlab.training.run import train  # setting and a finished job need not wait for

                with isolated():
                    train(config, measure)
            results = json.loads((folder / "results.json").read_bytes())
    if line := diverged_line(results):
        if HydraConfig.get().mode != RunMode.MULTIRUN:
            sys.exit(f"error: {line}")
        log.warning("%s", line)
        return math.nan
    return float(results["val"]["loss"])


class JobFailedError(Exception):
    """What a job's process tells the sweep; the traceback lies in the job's folder."""


def remove_empty_run(folder: Path) -> None:
    """Take back what Hydra wrote before the run failed, unless the run itself has written there."""
    own = {".hydra", LOCK, f"{HydraConfig.get().job.name}.log"}
    if {path.name for path in folder.iterdir()} <= own:
        for name in own:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        folder.rmdir()
        with contextlib.suppress(OSError):  # other runs of the day
            folder.parent.rmdir()
            folder.parents[1].rmdir()


class CheckOutputFolder(Callback):
    """Ask before Hydra does whether the outputs can be written, and say so in one line where not."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        self._check(config, config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        self._check(config, config.hydra.sweep.dir)

    def _check(self, config: DictConfig, folder: str) -> None:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sys.exit(
                f"error: output_dir={config.output_dir} cannot be written ({error.strerror}): "
                "give a folder of yours, as output_dir=~/embedlab-outputs"
            )
