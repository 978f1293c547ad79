"""The config tree: the settings of groups.py, corpora.py and the schemes together; their values are in conf/*.yaml.

Each setting has a type, a sentence and its unit. Trainer, logger and callbacks are yaml with `_target_`, as in
Lightning and Hydra. Nothing here imports torch, so that `--help` and error messages appear at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from embedlab.config.check_trainer import check_trainer
from embedlab.config.corpora import CorpusConfig, DownloadConfig, FilesConfig, PythonDocsConfig
from embedlab.config.groups import DataConfig, EvaluationConfig, ModelConfig, OptimizerConfig, TokenizerConfig
from embedlab.config.home import expand_user
from embedlab.config.optional import check_objects, check_packages
from embedlab.config.settings import at_least, at_most, check_given, check_numbers, setting

PACKAGE = Path(__file__).parents[1]
# An installed package has it inside, a checkout beside it.
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if (path / "config.yaml").is_file())


@dataclass(slots=True)
class Config:
    """All settings of a run."""

    seed: int = setting("seed of all random numbers: data order, initial weights, dropout")
    output_dir: str = setting("folder of all runs and sweeps")
    cache_dir: str = setting("folder for downloads and token ids, shared by all runs")
    sweep_name: str = setting("folder of a sweep below output_dir/sweeps")
    run_dir: str = setting("folder of this run; set by Hydra")
    threads: int | None = setting(
        "CPU threads; null: as many as make it faster, in a sweep at most a job's share", None
    )
    corpus: CorpusConfig = setting("the text to learn from")
    tokenizer: TokenizerConfig = setting("how text becomes token ids")
    data: DataConfig = setting("windows and batches")
    model: ModelConfig = setting("token table and prediction head")
    position: Any = setting("the positional scheme")  # a PositionConfig once whole_config.py has read it
    optimizer: OptimizerConfig = setting("AdamW with warm-up and cosine decay")
    evaluation: EvaluationConfig = setting("what is measured after training")
    trainer: dict[str, Any] = setting("Lightning's Trainer, as in its documentation")
    logger: dict[str, Any] = setting("Lightning's loggers, by name")
    callbacks: dict[str, Any] = setting("Lightning's callbacks, by name")

    def validate(self) -> None:
        """Check all settings. Raises UserError for the first one that cannot work."""
        check_given(self)
        for key in ("seed", "threads", "corpus", "tokenizer", "data", "model", "position", "optimizer", "evaluation"):
            check_numbers(getattr(self, key), key)
        at_least(0, seed=self.seed)
        at_most(2**32 - 1, seed=self.seed)  # numpy's limit
        at_least(1, threads=1 if self.threads is None else self.threads)
        at_most(1024, threads=1 if self.threads is None else self.threads)
        expand_user(self.cache_dir, "cache_dir")
        for part in (self.corpus, self.tokenizer, self.data, self.model, self.optimizer, self.evaluation):
            part.validate()
        check_trainer(self.trainer)
        check_objects("callbacks", self.callbacks)
        check_objects("logger", self.logger)
        check_packages(self.logger)


GROUPS = {
    "corpus/python_docs": PythonDocsConfig,
    "corpus/download": DownloadConfig,
    "corpus/files": FilesConfig,
    "tokenizer": TokenizerConfig,
    "data": DataConfig,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "evaluation": EvaluationConfig,
}


def register() -> None:
    """Register the schemas with Hydra, under schema/ so that they do not appear as choices of a group."""
    store = ConfigStore.instance()
    store.store(name="config", group="schema", package="_global_", node=Config)
    for path, node in GROUPS.items():
        group, _, name = path.rpartition("/")
        store.store(name=name, group=f"schema/{group}".rstrip("/"), node=node)
