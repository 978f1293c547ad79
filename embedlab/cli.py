"""The command line of training: compose the config, check it, train; every mistake is one short message.

Nothing slow is imported before the config is checked.
"""

import json
import logging
import math
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, read_write

from embedlab.config.arguments import arrange, check_flags
from embedlab.config.errors import UserError
from embedlab.config.explain import explain
from embedlab.config.optional import REPLACED, replaced_launcher
from embedlab.config.overrides import escape_literal, quote_values
from embedlab.config.paths import absolute_paths, with_values
from embedlab.config.program import program
from embedlab.config.tree import CONF
from embedlab.data.skip_finished import finished_results
from embedlab.distributed.launcher import device_count, train_in_processes
from embedlab.runs.error_place import user_place
from embedlab.runs.escaping import printable
from embedlab.runs.folder import OTHER_SWEEP, FolderInUseError, lock_folder, write_error
from embedlab.runs.full_disk import find_full_disk_error, report_full_disk
from embedlab.runs.output_folder import make_folder, resolve_folder
from embedlab.runs.ownership import ERROR, check_folder, check_sweep, claim, is_marked
from embedlab.runs.read_config import expand_resume
from embedlab.runs.record_config import computed_values, record_config
from embedlab.runs.results import diverged_line
from embedlab.runs.rollback import Rollback
from embedlab.runs.signals import STATUSES, exit_at_once, handle_signals, requeue_on_timeout
from embedlab.runs.streams import accept_any_text
from embedlab.training.whole_config import check_config, register

log = logging.getLogger("embedlab")
TRACEBACK = "EMBEDLAB_TRACEBACK"  # 1 if the user set HYDRA_FULL_ERROR=1, which main sets for itself
rollbacks: list[Rollback] = []  # of this command's run; CheckOutputFolder adds it, since Hydra passes nothing to jobs


def main() -> None:
    """Run `python train.py` by Hydra, with `job`; exit with status 1 and one line for a UserError."""
    accept_any_text()
    register()
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ[TRACEBACK] = str(int(wants_traceback))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors, instead of printing them in its own way
    try:
        # a full disk: Hydra writes into output_dir first
        with handle_signals(exit_at_once), report_full_disk(Path("output_dir")):
            check_flags(sys.argv[1:])
            sys.argv[1:] = quote_values(arrange(expand_resume(sys.argv[1:])))
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except BrokenPipeError:  # as in `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # Hydra's errors, and those of Python for strange values
        for one in rollbacks:
            one.remove_empty_folders()
        if wants_traceback:
            raise
        sys.exit(printable(f"error: {error if isinstance(error, UserError) else explain(error)}"))


def job(cfg: DictConfig) -> float:
    """Run once, or one job of a sweep; return the validation loss, for sweepers that optimise."""
    accept_any_text()  # a launcher's process has not called main
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        with requeue_on_timeout(), handle_signals(exit_at_once), report_full_disk(folder):
            claim(folder, checked=any(one.folder == folder for one in rollbacks))
            return run_or_skip(cfg, folder, wait=bool(HydraConfig.get().sweeper.get("wait")))
    except FolderInUseError:
        if in_sweep:
            raise
        restore_record()
        sys.exit(printable(f"error: another process works in {folder}: wait for it, or give another folder"))
    except SystemExit as stop:
        if stop.code in STATUSES and not in_sweep:
            log.info("to resume: %s resume=%s", program("train"), folder)
        raise
    except Exception as error:
        if in_sweep:  # into the job's own folder and log; the sweep continues with its other jobs
            line = write_error(folder, error) if is_marked(folder) else str(error)  # else it is not a folder of ours
            line += "" if isinstance(error, UserError) else user_place(error)
            log.error("error: %s", line)
            raise JobFailedError(line) from None
        if isinstance(error, UserError):
            restore_folder()
            if os.environ.get(TRACEBACK) == "1":
                raise
            here = f" with resume={folder}" if find_full_disk_error(error) and folder.exists() else ""
            sys.exit(printable(f"error: {error}{here}"))
        if isinstance(error, BrokenPipeError):
            raise
        line = write_error(folder, error) + user_place(error)
        sys.exit(printable(f"error: {line}; the traceback is in {folder / ERROR}"))


def run_or_skip(cfg: DictConfig, folder: Path, wait: bool) -> float:
    """Train unless the run has finished. Raises FolderInUseError if another process is training it."""
    values = computed_values(cfg)  # once: ${now:%f} differs the next time
    cfg = with_values(cfg, escape_literal(values))
    values |= absolute_paths(cfg, Path(HydraConfig.get().runtime.cwd))
    cfg = with_values(cfg, escape_literal(values))
    config = check_config(cfg)
    if Path(config.run_dir) != folder:
        raise UserError(f"run_dir={config.run_dir} is set by Hydra: give hydra.run.dir={config.run_dir}")
    with lock_folder(folder, wait):
        if label := HydraConfig.get().sweeper.get("label"):
            log.info("%s", label)
        if (results := finished_results(folder, config, remedy())) is not None:
            log.info("%s was finished before, skipped", folder)
            restore_record()
        else:
            record_config(folder, cfg, HydraConfig.get().overrides.task, values)
            (folder / ERROR).unlink(missing_ok=True)
            if (n := device_count(config)) > 1:
                train_in_processes(n, folder)
            else:
                from embedlab.evaluation import measure  # torch and Lightning: seconds that a mistyped
                from embedlab.training.run import train  # setting and a finished job need not wait for

                train(config, measure)
            results = json.loads((folder / "results.json").read_bytes())
    if line := diverged_line(results):
        if HydraConfig.get().mode != RunMode.MULTIRUN:
            sys.exit(printable(f"error: {line}"))
        log.warning("%s", line)
        return math.nan
    loss = results["val"]["loss"]
    return math.nan if loss is None else loss


class JobFailedError(Exception):
    """The error of a job, passed to the sweep; the traceback is in the job's folder."""


def remedy() -> str:
    """Return the remedy if a folder holds a finished run with other settings."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return OTHER_SWEEP
    given = {override.partition("=")[0]: override for override in HydraConfig.get().overrides.task}
    return f"for these, start a new run: {program('train')} {shlex.join(given.values())}"


def restore_record() -> None:
    """Restore what is recorded of the run in the folder, because this command changed nothing about it."""
    for one in rollbacks:
        one.restore_record()


def restore_folder() -> None:
    """Restore the run's folder as it was before this command, if the command failed before the run began."""
    for one in rollbacks:
        one.restore_folder(log=f"{HydraConfig.get().job.name}.log")


class CheckOutputFolder(Callback):
    """Check, before Hydra writes, that outputs can be written and overwrite nothing; else exit with one line."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        self._prepare(config, "run", check_folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        if (launcher := config.hydra.runtime.choices["hydra/launcher"]) in REPLACED:
            sys.exit(f"error: {replaced_launcher(launcher)}")
        self._prepare(config, "sweep", check_sweep)

    def _prepare(self, config: DictConfig, kind: str, check: Callable[[Path], None]) -> None:
        try:
            folder = resolve_folder(config, kind)
            rollbacks[:] = [Rollback(Path(folder))]
            make_folder(config, kind, Path(folder), check)
        except UserError as error:  # Hydra would turn it into a warning
            sys.exit(printable(f"error: {error}"))
        with read_write(config.hydra):
            config.hydra[kind].dir = folder
