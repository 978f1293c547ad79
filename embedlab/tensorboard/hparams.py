"""Every run as one row of TensorBoard's HParams table, whatever its scheme.

The plugin takes columns, types and domains from the first run that declares an experiment, and drops the additional
columns of other runs. Therefore no run declares one: TensorBoard (2.21) then collects the columns of all runs, those
that differ first, and takes the latest value of each scalar as a metric. Runs that are unfinished or were killed are
listed with the values they have.
"""

import math
import time
import typing
from dataclasses import fields
from typing import Any, Literal

from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from embedlab import positions
from embedlab.config.corpora import CorpusConfig
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config
from embedlab.positions.config import PositionConfig
from embedlab.runs.escaping import visible
from embedlab.runs.results import Results
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.module import LanguageModule
from embedlab.training.view_callback import ViewCallback

Value = str | float | bool
SCORES: tuple[Literal["loss", "bits_per_byte"], ...] = ("loss", "bits_per_byte")


def hyperparameters(config: Config) -> dict[str, Value]:
    """Return the settings that distinguish runs, with the same keys for every scheme.

    A setting that does not apply is 0, "" or False.
    """
    parts = {
        "corpus": (CorpusConfig, config.corpus),
        **{name: (type(part := getattr(config, name)), part) for name in ("tokenizer", "data", "model", "optimizer")},
    }
    table: dict[str, Value] = {"position": visible(config.position.name), "seed": config.seed}
    for prefix, (kind, part) in parts.items():
        for item in fields(kind):
            if item.name != "token_table":
                table[f"{prefix}.{item.name}"] = _to_cell(getattr(part, item.name), item.type)
    table["model.token_table"] = visible(config.model.token_table.path or "")
    table["trainer.max_steps"] = config.trainer.get("max_steps") or 0
    for key, item_type in _position_settings(config.position).items():
        table[f"position.{key}"] = _to_cell(getattr(config.position, key, None), item_type)
    return table


def _position_settings(own: PositionConfig) -> dict[str, Any]:
    """Return the settings of all shipped schemes and of this one with their types; str if the schemes' types differ."""
    settings: dict[str, Any] = {}
    for scheme in (*map(positions.config_class, positions.names()), type(own)):
        for item in fields(scheme):
            if item.name not in ("name", "file"):
                kind = _column_type(item.type)
                settings[item.name] = kind if settings.get(item.name, kind) is kind else str
    return settings


def _column_type(declared: Any) -> type:
    """Return the type of a column that holds values of the declared type: bool, float or str."""
    kinds = {declared, *typing.get_args(declared)}
    return bool if bool in kinds else float if kinds & {int, float} else str


def _to_cell(value: Any, declared: Any) -> Value:
    kind = _column_type(declared)
    cell: Value = kind() if value is None else kind(as_yaml(value))
    return visible(cell) if isinstance(cell, str) else cell


class HParams(ViewCallback):
    """Writes the settings at the start and the best scores at the end."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}  # scores of the validation that had the lowest loss

    def on_fit_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        table = hyperparameters(module.config)
        start = SessionStartInfo(start_time_secs=time.time())
        for key, value in table.items():
            field = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(start.hparams[key], field, value)
        _write(trainer, metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger | CSVLogger):  # MLflow, Weights & Biases
                logger.log_hyperparams(table)

    def on_validation_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        known = trainer.callback_metrics
        scores: dict[str, float] = {key: float(known[f"val/{key}"]) for key in SCORES if f"val/{key}" in known}
        if trainer.sanity_checking or not scores or not module.model.scheme.settled:
            return
        if scores["loss"] < self.best.get("loss", math.inf):
            self.best = scores

    def on_fit_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        if (writer := summary_writer(trainer)) is not None:
            for key, value in self.best.items():
                writer.add_scalar(f"best/val_{key}", value, trainer.global_step)
        self._end(trainer, api_pb2.STATUS_SUCCESS)

    def on_results(self, trainer: Trainer, results: Results) -> None:
        """Write the test scores of the best weights; training calls this once, before it writes results.json."""
        if (writer := summary_writer(trainer)) is not None:
            for key in SCORES:
                writer.add_scalar(f"best/test_{key}", results["test"][key], trainer.global_step)
            writer.flush()

    def on_exception(self, trainer: Trainer, module: LanguageModule, exception: BaseException) -> None:  # type: ignore[override]
        self._end(trainer, api_pb2.STATUS_FAILURE)

    def teardown(self, trainer: Trainer, module: LanguageModule, stage: str) -> None:  # type: ignore[override]
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # otherwise the next job in this process would log to the same run

    def _end(self, trainer: Trainer, status: int) -> None:
        end = SessionEndInfo(status=status, end_time_secs=time.time())
        _write(trainer, metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def _write(trainer: Trainer, tag: str, data: HParamsPluginData) -> None:
    writer: Any = summary_writer(trainer)
    if writer is not None:
        value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
        writer._get_file_writer().add_summary(Summary(value=[value]))
        writer.flush()
