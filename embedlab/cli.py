"""The command line around training: compose, check, train; every mistake is one short message.

Nothing heavy is imported before the config is known to be right.
"""

import json
import logging
import multiprocessing
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from embedlab import sweep
from embedlab.config.errors import UserError
from embedlab.config.explain import explain
from embedlab.config.help import choices_help, settings_help
from embedlab.config.paths import whole_paths, with_values
from embedlab.config.tree import CONF
from embedlab.distributed.launcher import device_count, train_on
from embedlab.positions import config_class
from embedlab.positions.check import check_config, register
from embedlab.runs.before import Before
from embedlab.runs.folder import (
    OTHER_SWEEP,
    ElsewhereError,
    job_folder,
    lock_folder,
    quoted,
    results_of,
    write_error,
)
from embedlab.runs.full_disk import full_disk, report_full_disk
from embedlab.runs.ownership import ERROR, check_folder, check_sweep, claim, is_marked
from embedlab.runs.read_config import recorded_overrides, write_whole_paths
from embedlab.runs.signals import STATUSES, at_once, handled_by, requeue_on_timeout
from embedlab.sweep.processes import exit_with_parent, stopped
from embedlab.sweep.progress import time_left

log = logging.getLogger("embedlab")
before: list[Before] = []  # of the run that this command is; CheckOutputFolder adds it, since Hydra tells jobs nothing


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
        sys.argv[1:] = expand_resume(sys.argv[1:])
        with report_full_disk(Path("output_dir")):  # Hydra itself writes there first
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        sys.exit(f"error: {error if isinstance(error, UserError) else explain(error)}")
    except BrokenPipeError:  # `--help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def expand_resume(arguments: list[str]) -> list[str]:
    """`resume=FOLDER` as the settings that the run in FOLDER was given, and its folder."""
    given = [argument for argument in arguments if argument.startswith("resume=")]
    if not given:
        return arguments
    folder = Path(given[-1].removeprefix("resume=")).expanduser()
    if not (folder / ".hydra" / "overrides.yaml").is_file():
        raise UserError(f"{given[-1]} holds no .hydra/overrides.yaml: give the folder of an interrupted run")
    one_run = ["hydra.mode=RUN", f"hydra.run.dir={quoted(str(folder))}"]  # a job of a sweep goes on by itself
    return [*recorded_overrides(folder), *(argument for argument in arguments if argument not in given), *one_run]


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
            claim(folder)
            return run_or_skip(cfg, folder, wait=bool(HydraConfig.get().sweeper.get("wait")))
    except ElsewhereError:
        if in_sweep:
            raise
        for one in before:
            one.restore_record()
        sys.exit(f"error: another process works in {folder}: wait for it, or give another folder")
    except SystemExit as stop:
        if stop.code in STATUSES and in_sweep:
            stopped.append(stop.code)
        elif stop.code in STATUSES:
            log.info("to go on: python train.py resume=%s", folder)
        raise
    except Exception as error:
        if in_sweep:  # into the job's own folder and log; the sweep goes on to its other jobs
            line = write_error(folder, error) if is_marked(folder) else str(error)  # else it is somebody's folder
            log.error("error: %s", line)
            raise JobFailedError(line) from None
        if isinstance(error, UserError):
            put_back()
            here = f" with resume={folder}" if full_disk(error) and folder.exists() else ""
            sys.exit(f"error: {error}{here}")
        raise


def run_or_skip(cfg: DictConfig, folder: Path, wait: bool) -> float:
    """Train unless that is done already; ElsewhereError where another process is at it."""
    whole = whole_paths(cfg, Path(HydraConfig.get().runtime.cwd))
    cfg = with_values(cfg, whole)
    config = check_config(cfg)
    with lock_folder(folder, wait):
        told = HydraConfig.get().sweeper
        if label := told.get("label"):
            log.info("%s%s", label, time_left(folder.parent, told.begun, told.jobs))
        if (results := results_of(folder, config, remedy())) is not None:
            log.info("%s was finished before, skipped", folder)
        else:
            write_whole_paths(folder, cfg, whole)
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
    return float(results["val"]["loss"])


class JobFailedError(Exception):
    """What a job's process tells the sweep; the traceback lies in the job's folder."""


def remedy() -> str:
    """What to do where a folder holds a finished run of other settings."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return OTHER_SWEEP
    given = {override.partition("=")[0]: override for override in HydraConfig.get().overrides.task}
    return f"for these, start a new run: python train.py {shlex.join(given.values())}"


def put_back() -> None:
    """Leave the run's folder as it was before this command, where the command failed before the run began."""
    for one in before:
        one.put_back(log=f"{HydraConfig.get().job.name}.log")


class CheckOutputFolder(Callback):
    """Check before Hydra writes whether the outputs can be written and overwrite nothing; exit with one line if not."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        folder = Path(config.hydra.run.dir)
        before[:] = [Before(folder)]
        self._check(config, "hydra.run.dir", folder, check_folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        self._check(config, "hydra.sweep.dir", Path(config.hydra.sweep.dir), check_sweep)

    def _check(self, config: DictConfig, key: str, folder: Path, check: Callable[[Path], None]) -> None:
        try:
            check(folder)
            folder.mkdir(parents=True, exist_ok=True)
        except UserError as error:
            sys.exit(f"error: {error}")
        except OSError as error:
            inside = Path(config.output_dir) in folder.parents
            given = f"output_dir={config.output_dir}" if inside else f"{key}={folder}"
            sys.exit(
                f"error: {given} cannot be written ({error.strerror}): "
                "give a folder of yours, as output_dir=~/embedlab-outputs"
            )
