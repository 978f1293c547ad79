"""The command line around training: compose, check, train; every mistake is one short message.

Nothing heavy is imported before the config is known to be right.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from embedlab import sweep
from embedlab.config.errors import UserError
from embedlab.config.explain import explain
from embedlab.config.help import choices_help, settings_help
from embedlab.config.home import expand_user, is_utf8
from embedlab.config.overrides import literal, override, quote_values, unquoted
from embedlab.config.paths import whole_paths, with_values
from embedlab.config.tree import CONF
from embedlab.distributed.launcher import device_count, train_on
from embedlab.positions import config_class
from embedlab.positions.check import check_config, register
from embedlab.runs.escaping import printable
from embedlab.runs.folder import ERROR, LOCK, ElsewhereError, job_folder, lock_folder, results_of, write_error
from embedlab.runs.full_disk import full_disk, report_full_disk
from embedlab.runs.record import computed, record
from embedlab.runs.signals import STATUSES, at_once, handled_by, requeue_on_timeout
from embedlab.runs.streams import accept_any_text
from embedlab.sweep.processes import exit_with_parent, stopped
from embedlab.sweep.progress import time_left

log = logging.getLogger("embedlab")
FLAGS = (("-r", "--run"), ("-m", "--multirun"), ("-c", "--cfg"), ("-i", "--info"), ("-sc", "--shell-completion"))


def main() -> None:
    """`python train.py`: Hydra's command line over `job`; exit status 1 and one line for a user's mistake."""
    accept_any_text()
    register()
    OmegaConf.register_new_resolver("choices_help", lambda: choices_help(CONF), replace=True)
    OmegaConf.register_new_resolver(
        "settings_help", lambda name, file: settings_help(config_class(name, file)), replace=True
    )
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
    sys.path.append(str(Path(sweep.__file__).parent / "on_path"))  # where Hydra finds our sweeper
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on, instead of printing them in its own way
    try:
        check_flags(sys.argv[1:])
        sys.argv[1:] = quote_values(expand_resume(sys.argv[1:]))
        with report_full_disk(Path("output_dir")):  # Hydra itself writes there first
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        sys.exit(printable(f"error: {error if isinstance(error, UserError) else explain(error)}"))
    except BrokenPipeError:  # `--help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def check_flags(arguments: list[str]) -> None:
    """Raise UserError for flags of Hydra's that exclude each other, which Hydra itself answers with a traceback."""
    given = [flag for names in FLAGS if (flag := next((name for name in names if name in arguments), None))]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} do not go together: leave one of them out")


def run_folder() -> str:
    """The job's folder; for `--cfg job --resolve`, where there is no job, the one that a run would get."""
    hydra_config: Any = HydraConfig.get()
    no_job = OmegaConf.is_missing(hydra_config.runtime, "output_dir")
    return str(hydra_config.run.dir if no_job else hydra_config.runtime.output_dir)


def expand_resume(arguments: list[str]) -> list[str]:
    """`resume=FOLDER` as the settings that the run in FOLDER was given, and its folder."""
    given = [argument for argument in arguments if argument.startswith("resume=")]
    if not given:
        return arguments
    folder = Path(os.path.abspath(expand_user(unquoted(given[-1].removeprefix("resume=")), "resume")))
    overrides = folder / ".hydra" / "overrides.yaml"
    if not overrides.is_file():
        raise UserError(f"{given[-1]} holds no .hydra/overrides.yaml: give the folder of an interrupted run")
    recorded = [str(override) for override in OmegaConf.load(overrides)]
    one_run = ["hydra.mode=RUN", override("hydra.run.dir", str(folder))]  # a job of a sweep goes on by itself
    return [*recorded, *(argument for argument in arguments if argument not in given), *one_run]


def job(cfg: DictConfig) -> float:
    """One run, or one job of a sweep; gives the validation loss back, for sweepers that optimise."""
    accept_any_text()  # a launcher's process has not been through main
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
        sys.exit(printable(f"error: another process works in {folder}: wait for it, or give another folder"))
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
            sys.exit(printable(f"error: {error}{here}"))
        raise


def run_or_skip(cfg: DictConfig, folder: Path, wait: bool) -> float:
    """Train unless that is done already; ElsewhereError where another process is at it."""
    values = computed(cfg)  # once: ${now:%f} is another the next time
    cfg = with_values(cfg, literal(values))
    values |= whole_paths(cfg, Path(HydraConfig.get().runtime.cwd))
    cfg = with_values(cfg, literal(values))
    config = check_config(cfg)
    with lock_folder(folder, wait):
        told = HydraConfig.get().sweeper
        if label := told.get("label"):
            log.info("%s%s", label, time_left(folder.parent, told.begun, told.jobs))
        if (results := results_of(folder, config)) is not None:
            log.info("%s was finished before, skipped", folder)
        else:
            record(folder, cfg, HydraConfig.get().overrides.task, values)
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
        self._prepare(config, "run")

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        self._prepare(config, "sweep")

    def _prepare(self, config: DictConfig, kind: str) -> None:
        try:
            folder = writable_folder(config, kind)
        except UserError as error:  # Hydra would turn it into a warning
            sys.exit(printable(f"error: {error}"))
        with read_write(config.hydra):
            config.hydra[kind].dir = folder


def writable_folder(config: DictConfig, kind: str) -> str:
    """Make hydra.run.dir or hydra.sweep.dir and return it whole. Raises UserError where it cannot be written."""
    folder = expand_user(config.hydra[kind].dir, f"hydra.{kind}.dir")
    if not is_utf8(os.path.abspath(folder)):
        raise UserError(
            f"{folder} is no UTF-8 to this Python, and TensorBoard cannot write there: give another folder, "
            "or PYTHONUTF8=1 before the command"
        )
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"output_dir={config.output_dir} cannot be written ({error.strerror}): "
            "give a folder of yours, as output_dir=~/embedlab-outputs"
        ) from error
    return folder
