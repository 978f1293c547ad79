"""Settings of the config groups, except corpus (corpora.py) and position (the schemes). Imports no torch."""

from dataclasses import dataclass

from embedlab.config.errors import UserError
from embedlab.config.settings import at_least, at_most, one_of, setting

MOST_WEIGHTS = 1e13  # of the blocks; float32 numbers of 40 TB


@dataclass(slots=True)
class TokenizerConfig:
    """How text becomes token ids."""

    name: str = setting("gpt2, bytes, or the name of a tiktoken encoding")
    vocab_size: int | None = setting("tokens to keep, <|endoftext|> included; null: all; for gpt2 only")

    def validate(self) -> None:
        if self.vocab_size is not None:
            at_least(257, tokenizer__vocab_size=self.vocab_size)  # 256 bytes and <|endoftext|>


@dataclass(slots=True)
class DataConfig:
    """Windows and batches."""

    context_length: int = setting("tokens in a window")
    stride: int = setting("tokens from one training window's start to the next")
    batch_size: int = setting("windows in a batch, over all devices together")
    num_workers: int = setting("processes that prepare batches; 0: the training process does it")
    max_eval_tokens: int | None = setting("most target tokens scored in each held-out text; null: all")

    def validate(self) -> None:
        at_least(1, data__context_length=self.context_length, data__stride=self.stride)
        at_least(1, data__batch_size=self.batch_size)
        at_least(0, data__num_workers=self.num_workers)
        at_most(1024, data__num_workers=self.num_workers)  # each is a process
        if self.max_eval_tokens is not None and not self.max_eval_tokens >= self.context_length:
            raise UserError(
                f"data.max_eval_tokens={self.max_eval_tokens} is less than one window of data.context_length="
                f"{self.context_length}: give at least {self.context_length}, or a smaller data.context_length"
            )


@dataclass(slots=True)
class TokenTableConfig:
    """Where the token vectors come from."""

    path: str | None = setting(
        "a table trained elsewhere: .safetensors, .npy or word2vec .txt/.vec; null: a random one"
    )
    frozen: bool = setting("whether the token table is not trained")


@dataclass(slots=True)
class ModelConfig:
    """Token table and prediction head."""

    head: str = setting("attention (causal transformer blocks) or linear (logits straight from the summed embeddings)")
    embedding_dim: int = setting("D, width of the token vectors and of the model")
    n_layers: int = setting("transformer blocks; the linear head has none")
    n_heads: int = setting("attention heads a block; must divide embedding_dim")
    mlp_ratio: float = setting("width of a block's hidden layer, as a multiple of embedding_dim")
    dropout: float = setting("share of activations dropped in training, 0 to below 1")
    init_std: float = setting("standard deviation of table and weights at initialisation")
    loss_chunk_tokens: int = setting("tokens whose logits are in memory at once")
    token_table: TokenTableConfig = setting("where the token vectors come from")

    def validate(self) -> None:
        one_of(("attention", "linear"), model__head=self.head)
        at_least(1, model__embedding_dim=self.embedding_dim, model__n_heads=self.n_heads)
        at_least(1, model__n_layers=self.n_layers, model__loss_chunk_tokens=self.loss_chunk_tokens)
        at_least(0, model__init_std=self.init_std)
        if not 0 <= self.dropout < 1:
            raise UserError(f"model.dropout={self.dropout} is not a share: give a number from 0 to below 1")
        if round(self.mlp_ratio * self.embedding_dim) < 1:
            raise UserError(f"model.mlp_ratio={self.mlp_ratio} leaves no hidden unit: give a larger number, as 4")
        weights = 12 * self.n_layers * self.embedding_dim**2
        if weights > MOST_WEIGHTS:
            raise UserError(
                f"model.embedding_dim={self.embedding_dim} with model.n_layers={self.n_layers} has {weights:.0e} "
                "parameters, more than any machine holds: lower one of them"
            )
        if self.embedding_dim % self.n_heads:
            raise UserError(
                f"model.embedding_dim={self.embedding_dim} is not divisible by model.n_heads={self.n_heads}: "
                "change one of them"
            )


@dataclass(slots=True)
class OptimizerConfig:
    """AdamW with warm-up and cosine decay."""

    lr: float = setting("highest learning rate")
    min_lr_ratio: float = setting("final learning rate over the highest one, 0 to 1")
    warmup_fraction: float = setting("share of all steps in which the learning rate rises from 0, 0 to 1")
    weight_decay: float = setting("AdamW's weight decay, applied to matrices of the blocks only")
    beta1: float = setting("AdamW's decay of the gradient's mean, 0 to 1")
    beta2: float = setting("AdamW's decay of the gradient's square, 0 to 1")

    def validate(self) -> None:
        if not self.lr > 0:
            raise UserError(f"optimizer.lr={self.lr} does not train: give a number above 0, as 0.001")
        at_least(0, optimizer__weight_decay=self.weight_decay)
        for key in ("min_lr_ratio", "warmup_fraction", "beta1", "beta2"):
            share = getattr(self, key)
            if not 0 <= share <= 1 or (share == 1 and key.startswith("beta")):
                raise UserError(f"optimizer.{key}={share} is out of range: give a number from 0 to 1")


@dataclass(slots=True)
class EvaluationConfig:
    """What is measured after training, on the test text."""

    length_factors: list[float] = setting("context lengths to test, as multiples of the trained one")
    shuffle_keep: list[int] = setting(
        "order sensitivity: how many last tokens keep their positions while the others are shuffled"
    )
    max_tokens: int = setting("most target tokens scored at each context length")
    sliding_step: int = setting("targets scored in each sliding window; with 1 every target sees the whole length")
    order_windows: int = setting("windows whose last target is scored with a shuffled context")

    def validate(self) -> None:
        for factor in self.length_factors:
            if not factor > 0:
                raise UserError(f"evaluation.length_factors={self.length_factors}: give numbers above 0")
        for keep in self.shuffle_keep:
            at_least(0, evaluation__shuffle_keep=keep)
        at_least(1, evaluation__max_tokens=self.max_tokens, evaluation__sliding_step=self.sliding_step)
        at_least(1, evaluation__order_windows=self.order_windows)
