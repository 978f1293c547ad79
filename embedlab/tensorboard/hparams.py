"""Every run as one line of TensorBoard's HParams table, whatever its scheme.

The plugin takes columns, types and domains from the first run that declares an experiment, and drops what other runs
have beside those. So no run declares one: TensorBoard (2.21) then gathers the columns from all runs, those that differ
first, and takes every scalar of a run as a metric, its newest value as the metric's. Runs that have not ended, or
were killed, are listed with what they have.
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
from embedlab.config.settings import as_yaml
from embedlab.config.tree import Config, CorpusConfig
from embedlab.positions.config import PositionConfig
from embedlab.runs.escaping import visible
from embedlab.runs.results import Results
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.looker import Looker
from embedlab.training.module import LanguageModule

Value = str | float | bool
SCORES: tuple[Literal["loss", "bits_per_byte"], ...] = ("loss", "bits_per_byte")


def hyperparameters(config: Config) -> dict[str, Value]:
    """The settings that tell runs apart, the same keys for every scheme: 0, "" or False where one does not apply."""
    parts = {
        "corpus": (CorpusConfig, config.corpus),
        **{name: (type(part := getattr(config, name)), part) for name in ("tokenizer", "data", "model", "optimizer")},
    }
    table: dict[str, Value] = {"position": visible(config.position.name), "seed": config.seed}
    for prefix, (kind, part) in parts.items():
        for item in fields(kind):
            if item.name != "token_table":
                table[f"{prefix}.{item.name}"] = _plain(getattr(part, item.name), item.type)
    table["model.token_table"] = visible(config.model.token_table.path or "")
    table["trainer.max_steps"] = config.trainer.get("max_steps") or 0
    for key, item_type in _position_settings(config.position).items():
        table[f"position.{key}"] = _plain(getattr(config.position, key, None), item_type)
    return table


def _position_settings(own: PositionConfig) -> dict[str, Any]:
    """Settings of all schemes that ship, and of this one, with their types; text where schemes differ in the type."""
    settings: dict[str, Any] = {}
    for scheme in (*map(positions.config_class, positions.names()), type(own)):
        for item in fields(scheme):
            if item.name not in ("name", "file"):
                kind = _kind(item.type)
                settings[item.name] = kind if settings.get(item.name, kind) is kind else str
    return settings


def _kind(declared: Any) -> type:
    """bool, float or str, whichever a column of such values needs."""
    kinds = {declared, *typing.get_args(declared)}
    return bool if bool in kinds else float if kinds & {int, float} else str


def _plain(value: Any, declared: Any) -> Value:
    kind = _kind(declared)
    plain: Value = kind() if value is None else kind(as_yaml(value))
    return visible(plain) if isinstance(plain, str) else plain


class HParams(Looker):
    """Settings at the start, best scores at the end."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}  # scores of the validation with the lowest loss

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
        """Called once by the training when results.json's content is known: the best weights on the test text."""
        if (writer := summary_writer(trainer)) is not None:
            for key in SCORES:
                writer.add_scalar(f"best/test_{key}", results["test"][key], trainer.global_step)
            writer.flush()

    def on_exception(self, trainer: Trainer, module: LanguageModule, exception: BaseException) -> None:  # type: ignore[override]
        self._end(trainer, api_pb2.STATUS_FAILURE)

    def teardown(self, trainer: Trainer, module: LanguageModule, stage: str) -> None:  # type: ignore[override]
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # or a sweep's next job in this process would go on in the same run

    def _end(self, trainer: Trainer, status: int) -> None:
        end = SessionEndInfo(status=status, end_time_secs=time.time())
        _write(trainer, metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def _write(trainer: Trainer, tag: str, data: HParamsPluginData) -> None:
    if (writer := summary_writer(trainer)) is not None:
        value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
        writer._get_file_writer().add_summary(Summary(value=[value]))
        writer.flush()
