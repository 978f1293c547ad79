"""One run: config -> data, model, Trainer -> results. Imports torch and Lightning, so import it inside the job."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities import rank_zero_only

from embedlab.config.errors import UserError
from embedlab.config.program import command_line
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.model.embeddings import LanguageModel
from embedlab.model.pretrained import load_table
from embedlab.runs.folder import LAST, PREVIOUS, interrupted
from embedlab.runs.full_disk import full_disk
from embedlab.runs.looking import failed_looks, looking
from embedlab.runs.ownership import note_process, was_started
from embedlab.runs.provenance import git_state, versions
from embedlab.runs.results import SCHEMA, Measured, Results, finite, write_results
from embedlab.runs.same_inputs import Inputs
from embedlab.runs.same_settings import differences, plain
from embedlab.runs.weights import about_checkpoint
from embedlab.training.best import best_checkpoint, load_weights
from embedlab.training.cautions import NOT_BEST, cautions
from embedlab.training.costs import Costs, peak_memory_bytes
from embedlab.training.diverged import DivergedError, scored, unscored
from embedlab.training.module import LanguageModule
from embedlab.training.precision import in_float32, report_missing_kernels
from embedlab.training.resume import history
from embedlab.training.resume.checkpoints import AtomicCheckpointIO, newest_whole
from embedlab.training.resume.state import ResumeState
from embedlab.training.summary import show
from embedlab.training.threads import set_threads

log = logging.getLogger("embedlab")
Measure = Callable[[LanguageModel, TextData, Config], Measured]  # what is measured of the trained model

QUIET = (  # what Lightning warns of and we mean to do
    ".*does not have many workers.*",  # windows are slices of a memory map: workers would cost more than they bring
    ".*exists and is not empty.*",  # Hydra has already written .hydra/ into the run's folder
    ".*Starting from v1.9.0, `tensorboardX`.*",
    ".*`srun` command is available.*",  # our own launchers start the processes
    ".*LeafSpec.*",  # Lightning's own use of a name that torch has deprecated
)


def train(config: Config, measure: Measure) -> Results | None:
    """Train one model, `measure` it and write the run's folder, results.json last; return what that holds.

    None in every process but the first, which alone evaluates.
    """
    clear_lightning_handlers()
    folder = Path(config.run_dir)
    for message in cautions(config):
        log.warning("%s", message)
    lightning.seed_everything(config.seed, workers=True, verbose=False)

    data = TextData(config)
    data.setup()
    module = LanguageModule(config, data.tokenizer.byte_lengths)
    if path := config.model.token_table.path:
        module.model.tokens.weight.data.copy_(load_table(path, data.tokenizer, config.model.embedding_dim))
    log_start(config, data, module)
    set_threads(config, module.model.tokens.weight.numel())

    with warnings.catch_warnings():
        for message in QUIET:
            warnings.filterwarnings("ignore", message)
        begun = take_up(config, folder, data.inputs)
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            note_process(folder)
        costs = Costs()
        callbacks = [costs, *make_callbacks(config), ResumeState()]
        trainer = build_trainer(config, callbacks)
        diverged: Measured | None = None
        try:
            with report_missing_kernels(config.trainer.get("precision")):
                trainer.fit(module, datamodule=data, ckpt_path=begun, weights_only=True)
            trainer.save_checkpoint(folder / "checkpoints" / LAST)
        except DivergedError as error:  # last.ckpt stays the one before
            diverged = unscored(error.step, error.loss)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        if not trainer.is_global_zero:
            return None  # one process evaluates, on all of the text
        best = best_checkpoint(trainer)
        module = in_float32(module)  # as `python -m embedlab.evaluate` measures it, whatever the precision
        if best is not None and diverged is None:
            load_weights(module, best)
        module.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU, where evaluating a GPU's model crawls
    measured = diverged or scored(measure(module.model, data, config), trainer.global_step)
    results = collect(config, data, module, costs, measured, best or folder / "checkpoints" / LAST)
    if "diverged" not in results:
        if best is None:
            log.warning("%s", NOT_BEST)
            results["cautions"].append(NOT_BEST)
        for callback in callbacks:
            if hasattr(callback, "on_results"):
                callback.on_results(trainer, results)  # ours; Lightning knows no moment after the last evaluation
    results["cautions"] += failed_looks(folder)
    write_results(folder / "results.json", results)
    folder.joinpath("checkpoints", PREVIOUS).unlink(missing_ok=True)
    with looking(folder, "the table at the end"):
        show(results, folder)
    return results


def take_up(config: Config, folder: Path, inputs: Inputs) -> Path | None:
    """Return the checkpoint to resume from, with the folder's history cut back to its time; None where there is none.

    Raises UserError where it was made with other settings, from another text or by other code.
    """
    found = newest_whole(folder / "checkpoints")
    if found is None:
        if interrupted(folder):
            log.warning("no checkpoint is whole: starting anew")
        elif was_started(folder):
            log.warning("no checkpoint was saved before the run was stopped: starting anew")
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            history.clear(folder)
        return None
    path, checkpoint = found
    if (state := checkpoint.get("embedlab")) is None:
        raise UserError(
            f"{path} cannot be resumed from: it is another program's, or was saved with callbacks.last=null by "
            "embedlab 0.2.0: start a new run"
        )
    if changed := differences(state["config"], plain(as_yaml(config))):
        raise UserError(
            f"{folder} was begun with other settings ({'; '.join(changed[:3])}): "
            "give those, or another folder for these"
        )
    if changed := inputs.changes_since(state.get("corpus_sha256"), state.get("files")):
        raise UserError(
            f"{folder} was begun with what has changed since ({'; '.join(changed[:3])}): "
            "put the old content back to resume it, or give another folder for the new one"
        )
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        history.cut_back(folder, **state["history"])
    if config.threads is None:
        torch.set_num_threads(state["threads"])  # more or fewer would change the last digits
    log.info("going on from step %d, saved in %s", checkpoint["global_step"], path)
    return path


def log_start(config: Config, data: TextData, module: LanguageModule) -> None:
    """What is about to happen, in two lines."""
    tokens, counts = data.tokens, module.model.parameter_counts()
    log.info(
        f"corpus {tokens.corpus['name']}: {len(tokens.train):,} {config.tokenizer.name} tokens to train on, "
        f"{len(tokens.val):,} to validate, {len(tokens.test):,} to test"
    )
    log.info(
        f"position {config.position.name}: {counts['total']:,} parameters, "
        f"{len(data.train_windows):,} windows of {config.data.context_length} tokens"
    )


def collect(
    config: Config, data: TextData, module: LanguageModule, costs: Costs, measured: Measured, checkpoint: Path
) -> Results:
    """Return everything that results.json holds; `checkpoint` is the one whose weights the module has."""
    path, sha256 = about_checkpoint(checkpoint, Path(config.run_dir))
    results: Results = {
        "schema": SCHEMA,
        "seed": config.seed,
        "config": as_yaml(config),
        "position": config.position.name,
        "parameters": module.model.parameter_counts(),
        **measured,
        "tokens_per_second": costs.tokens_per_second,
        "train_seconds": costs.train_seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "cautions": cautions(config),
        "versions": versions(),
        "corpus": data.tokens.corpus,
        "git": git_state(Path(__file__).parent),
        "command": command_line(),
        "files": data.inputs.files,
        "checkpoint": path,
    }
    if sha256 is not None:
        results["checkpoint_sha256"] = sha256
    return finite(results)


def build_trainer(config: Config, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    """Lightning's Trainer out of plain yaml; UserError where yaml and Lightning disagree."""
    loggers = _instantiate_all("logger", config.logger)
    # Slurm's environment would take the job's signals and number of processes into its own hands
    plugins = [AtomicCheckpointIO(), LightningEnvironment()]
    try:
        return instantiate(
            config.trainer, callbacks=callbacks, logger=loggers, plugins=plugins, default_root_dir=config.run_dir
        )
    except Exception as error:  # Lightning and what it asks raise many kinds for settings that do not fit
        raise UserError(f"trainer={config.trainer.get('_target_')} cannot be made: {_reason(error)}") from error


def make_callbacks(config: Config) -> list[lightning.Callback]:
    """The callbacks of plain yaml. Raises UserError for an object that is no callback."""
    made = _instantiate_all("callbacks", config.callbacks)
    names = [name for name, node in config.callbacks.items() if node is not None]
    for name, callback in zip(names, made, strict=True):
        if not isinstance(callback, lightning.Callback):
            raise UserError(
                f"callbacks.{name} is a {type(callback).__name__}, which is no callback of Lightning: "
                f"give callbacks.{name}._target_=CLASS of one, or callbacks.{name}=null"
            )
    return made


def _instantiate_all(group: str, nodes: dict[str, Any]) -> list[Any]:
    made = []
    for name, node in nodes.items():
        if node is None:  # turned off by NAME=null
            continue
        try:
            made.append(instantiate(node))
        except Exception as error:  # whatever a class raises for its settings
            if full_disk(error):
                raise
            raise UserError(f"{group}.{name} cannot be made: {_reason(error)}") from error
    return made


def _reason(error: Exception) -> str:
    """What is wrong, without Hydra's line on where, which the message says already."""
    cause = error.__cause__ or error
    return " ".join(str(cause).split("\nfull_key")[0].split())


def clear_lightning_handlers() -> None:
    """Lightning's messages reach Hydra's log as well; one of the two is enough."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
        logging.getLogger(name).setLevel(logging.WARNING)
