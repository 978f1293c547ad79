"""One run: config -> data, model, Trainer -> results. Imports torch and Lightning, so import it inside the job."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only

from embedlab.config.errors import UserError
from embedlab.config.program import command_line
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.data.datamodule import TextData
from embedlab.model.embeddings import LanguageModel
from embedlab.model.pretrained import load_table
from embedlab.runs.folder import LAST, PREVIOUS, has_checkpoint
from embedlab.runs.measured import Measured
from embedlab.runs.ownership import note_process, was_started
from embedlab.runs.provenance import git_state, versions
from embedlab.runs.random_streams import VERSION, seed_global_generators
from embedlab.runs.results import SCHEMA, Results, replace_nonfinite, write_results
from embedlab.runs.same_inputs import Inputs
from embedlab.runs.same_settings import deciding_settings, differences
from embedlab.runs.view_failures import log_view_failure, view_cautions
from embedlab.runs.weights import about_checkpoint
from embedlab.training.best import best_checkpoint, load_weights
from embedlab.training.cautions import NOT_BEST, cautions
from embedlab.training.costs import Costs, peak_memory_bytes
from embedlab.training.diverged import DivergedError, null_if_diverged, null_scores
from embedlab.training.module import LanguageModule
from embedlab.training.precision import in_float32, report_missing_kernels
from embedlab.training.resume import history
from embedlab.training.resume.checkpoints import find_newest_intact
from embedlab.training.resume.state import ResumeState
from embedlab.training.summary import print_summary
from embedlab.training.threads import keep_threads, set_threads
from embedlab.training.trainer import IGNORED_WARNINGS, build_trainer, clear_lightning_handlers, make_callbacks

log = logging.getLogger("embedlab")
Measure = Callable[[LanguageModel, TextData, Config], Measured]  # measures the trained model


def train(config: Config, measure: Measure) -> Results | None:
    """Train one model, `measure` it, write the run's folder, results.json last, and return its content.

    Returns None in every process except the first, because only that one evaluates.
    """
    clear_lightning_handlers()
    folder = Path(config.run_dir)
    for message in cautions(config):
        log.warning("%s", message)
    seed_global_generators(config.seed, "start")

    data = TextData(config)
    data.setup()
    module = make_module(config, data)
    log_start(config, data, module)
    set_threads(config, module.model.parameter_counts()["total"])
    torch.set_flush_denormal(True)  # weights of far keys below 1e-38, as alibi and forgetting have, are slow otherwise

    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        checkpoint = find_checkpoint_to_resume(config, folder, data.inputs)
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            note_process(folder)
        costs = Costs()
        callbacks = [costs, *make_callbacks(config), ResumeState()]
        trainer = build_trainer(config, callbacks)
        diverged: Measured | None = None
        try:
            with report_missing_kernels(config.trainer.get("precision")):
                trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            trainer.save_checkpoint(folder / "checkpoints" / LAST)
        except DivergedError as error:  # last.ckpt stays as it was before
            diverged = null_scores(error.step, error.loss)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        if not trainer.is_global_zero:
            return None  # one process evaluates all of the text
        best = best_checkpoint(trainer)
        module = in_float32(module)  # as `python -m embedlab.evaluate` does, whatever the precision was
        if best is not None and diverged is None:
            load_weights(module, best)
        module.to(trainer.strategy.root_device)  # Lightning leaves a GPU's model on the CPU, which is very slow
    measured = diverged or null_if_diverged(
        measure(module.model, data, config),
        trainer.global_step,
        untrained=lambda: measure(make_module(config, data).model, data, config),
    )
    results = collect_results(config, data, module, costs, measured, best or folder / "checkpoints" / LAST)
    if "diverged" not in results:
        if best is None:
            log.warning("%s", NOT_BEST)
            results["cautions"].append(NOT_BEST)
        for callback in callbacks:
            if hasattr(callback, "on_results"):
                callback.on_results(trainer, results)  # embedlab's; Lightning has no hook after the last evaluation
    results["cautions"] += view_cautions(folder)
    write_results(folder / "results.json", results)
    folder.joinpath("checkpoints", PREVIOUS).unlink(missing_ok=True)
    with log_view_failure(folder, "the table at the end"):
        print_summary(results, folder)
    return results


def make_module(config: Config, data: TextData) -> LanguageModule:
    """Return the untrained module, with the token table that the settings name."""
    path = config.model.token_table.path
    table = load_table(path, data.tokenizer, config.model.embedding_dim) if path else None
    return LanguageModule(config, data.tokenizer.byte_lengths, table)


def find_checkpoint_to_resume(config: Config, folder: Path, inputs: Inputs) -> Path | None:
    """Return the checkpoint to resume from, after truncating the folder's history to its step; None if there is none.

    Raises UserError if it was made with other settings, from another text or by other code.
    """
    found = find_newest_intact(folder / "checkpoints")
    if found is None:
        if has_checkpoint(folder):
            log.warning("no checkpoint is intact: starting from the beginning")
        elif was_started(folder):
            log.warning("no checkpoint was saved before the run was stopped: starting from the beginning")
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            history.clear(folder)
        return None
    path, checkpoint = found
    if (state := checkpoint.get("embedlab")) is None:
        raise UserError(
            f"{path} cannot be resumed from: it is another program's or was saved with callbacks.last=null by "
            "embedlab 0.2.0: start a new run"
        )
    if state.get("random_streams") != VERSION:
        raise UserError(
            f"{path} cannot be resumed from: it was saved by a version of embedlab whose seeds give other numbers "
            "(initial weights, order of the text, dropout): start a new run"
        )
    if changed := differences(state["config"], deciding_settings(as_yaml(config))):
        raise UserError(
            f"{folder} was started with other settings ({'; '.join(changed[:3])}): "
            "give those settings, or another folder"
        )
    if changed := inputs.changes_since(state.get("corpus_sha256"), state.get("files")):
        raise UserError(
            f"{folder} cannot be resumed: its text or files have changed since it started ({'; '.join(changed[:3])}): "
            "restore the old content to resume it, or give another folder"
        )
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        history.truncate(folder, **state["history"])
    keep_threads(state["threads"])
    log.info("resuming from step %d, saved in %s", checkpoint["global_step"], path)
    return path


def log_start(config: Config, data: TextData, module: LanguageModule) -> None:
    """Log the sizes of corpus and model in two lines."""
    tokens, counts = data.tokens, module.model.parameter_counts()
    log.info(
        f"corpus {tokens.corpus['name']}: {len(tokens.train):,} {config.tokenizer.name} tokens to train on, "
        f"{len(tokens.val):,} to validate, {len(tokens.test):,} to test"
    )
    log.info(
        f"position {config.position.name}: {counts['total']:,} parameters, "
        f"{len(data.train_windows):,} windows of {config.data.context_length} tokens"
    )


def collect_results(
    config: Config, data: TextData, module: LanguageModule, costs: Costs, measured: Measured, checkpoint: Path
) -> Results:
    """Return the content of results.json; `checkpoint` is the file whose weights the module has."""
    path, sha256 = about_checkpoint(checkpoint, Path(config.run_dir))
    results: Results = {
        "schema": SCHEMA,
        "seed": config.seed,
        "config": as_yaml(config),
        "position": config.position.name,
        "parameters": module.model.parameter_counts(),
        **measured,  # type: ignore[typeddict-item,unused-ignore]  # with mypy --strict: it might hold more keys
        "tokens_per_second": costs.tokens_per_second,
        "train_seconds": costs.train_seconds,
        "peak_memory_bytes": peak_memory_bytes(),
        "threads": torch.get_num_threads(),
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
    checked: Results = replace_nonfinite(results)
    return checked
