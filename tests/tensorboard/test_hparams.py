"""The HParams table as TensorBoard's plugin makes it, without a browser."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata

from embedlab import positions
from embedlab.config.tree import Config
from embedlab.tensorboard.hparams import HParams, hyperparameters


def test_keys_and_types_are_the_same_for_every_scheme(make_config: Callable[..., Config]) -> None:
    tables = {name: hyperparameters(make_config(f"position={name}", "model.n_heads=2")) for name in positions.names()}
    kinds = [{key: type(value) for key, value in table.items()} for table in tables.values()]
    assert all(kind == kinds[0] for kind in kinds)
    for name, table in tables.items():
        own = {item.name for item in fields(positions.config_class(name))} - {"name", "file"}
        assert table["position"] == name
        assert {f"position.{key}" for key in own} <= table.keys()
    assert tables["none"]["position.past_end"] == ""
    assert tables["learned"]["position.past_end"] == "refuse"
    assert tables["none"]["position.init_std"] == 0


def test_settings_that_are_overridden_show(make_config: Callable[..., Config]) -> None:
    plain = hyperparameters(make_config())
    changed = hyperparameters(make_config("seed=7", "model.embedding_dim=64", "optimizer.lr=0.5", "tokenizer=bytes"))
    assert {key: value for key, value in changed.items() if plain[key] != value} == {
        "seed": 7, "model.embedding_dim": 64, "optimizer.lr": 0.5, "tokenizer.name": "bytes",
    }  # fmt: skip


def test_best_scores_are_those_of_the_lowest_loss() -> None:
    callback = HParams()
    for loss, settled in ((1.0, False), (3.0, True), (2.0, True), (2.5, True), (float("nan"), True)):
        seen = SimpleNamespace(
            callback_metrics={"val/loss": loss, "val/bits_per_byte": 1 / loss},
            sanity_checking=False,
            default_root_dir="unused",
        )
        module = SimpleNamespace(model=SimpleNamespace(scheme=SimpleNamespace(settled=settled)))
        callback.on_validation_end(seen, module)
    assert callback.best == {"loss": 2.0, "bits_per_byte": 0.5}
    again = HParams()
    again.load_state_dict(callback.state_dict())
    assert again.best == callback.best


@pytest.mark.parametrize("ending", ["killed", "failed", "done"])
def test_a_run_from_start_to_end(make_config: Callable[..., Config], tmp_path: Path, ending: str) -> None:
    callback = HParams()
    logger = TensorBoardLogger(tmp_path, name="", version="tensorboard", default_hp_metric=False)
    trainer = Trainer(accelerator="cpu", logger=logger, enable_checkpointing=False, enable_progress_bar=False)
    module = SimpleNamespace(config=make_config())
    callback.on_fit_start(trainer, module)
    if ending == "failed":
        callback.on_exception(trainer, module, KeyboardInterrupt())
    if ending == "done":
        callback.on_fit_end(trainer, module)
        callback.on_results(trainer, {"test": {"loss": 1.5, "bits_per_byte": 0.75}})
    logger.experiment.close()
    tags = EventAccumulator(str(tmp_path / "tensorboard")).Reload().summary_metadata
    start = metadata.parse_session_start_info_plugin_data(tags[metadata.SESSION_START_INFO_TAG].plugin_data.content)
    assert start.hparams["position"].string_value == "learned"
    assert (metadata.SESSION_END_INFO_TAG in tags) == (ending != "killed")
    if ending != "killed":
        end = metadata.parse_session_end_info_plugin_data(tags[metadata.SESSION_END_INFO_TAG].plugin_data.content)
        assert end.status == {"failed": api_pb2.STATUS_FAILURE, "done": api_pb2.STATUS_SUCCESS}[ending]
