"""Texts for TensorBoard: the run's settings, nearest neighbours of frequent words, and continuations by the model."""

from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning import Trainer
from omegaconf import OmegaConf

from embedlab.config.settings import as_yaml, at_least
from embedlab.data.token_counts import most_frequent_first
from embedlab.data.token_labels import token_kind, token_label
from embedlab.evaluation.loss import evaluating
from embedlab.evaluation.neighbours import nearest
from embedlab.model.embeddings import LanguageModel
from embedlab.runs.random_streams import EVERY_RUN, torch_generator
from embedlab.tensorboard.markdown import code, table
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.module import LanguageModule
from embedlab.training.view_callback import ViewCallback


class Texts(ViewCallback):
    """Writes the settings at the start, and neighbours of frequent words and continuations of held-out text at the end.

    conf/callbacks/default.yaml explains the settings. Raises UserError if one is negative.
    """

    def __init__(self, words: int, continuations: int, new_tokens: int, temperature: float) -> None:
        at_least(0, callbacks__texts__words=words, callbacks__texts__continuations=continuations)
        at_least(0, callbacks__texts__new_tokens=new_tokens, callbacks__texts__temperature=temperature)
        self.words = words
        self.continuations = continuations
        self.new_tokens = new_tokens
        self.temperature = temperature

    def on_fit_start(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        if (writer := summary_writer(trainer)) is not None:
            writer.add_text("config", code(OmegaConf.to_yaml(as_yaml(module.config))))

    def on_train_end(self, trainer: Trainer, module: LanguageModule) -> None:  # type: ignore[override]
        if (writer := summary_writer(trainer)) is None:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        weight = module.model.tokens.weight.detach().float().numpy(force=True)
        counts = data.tokens.train_counts
        writer.add_text("neighbours", neighbour_table(weight, data.tokenizer, counts, self.words), trainer.global_step)
        if self.continuations:
            pairs = self.continue_texts(module.model, data)
            writer.add_text("continuations", table(("given", "continued"), pairs), trainer.global_step)

    def continue_texts(self, model: LanguageModel, data: Any) -> list[tuple[str, str]]:
        """Return (prompt, continuation) pairs; the prompts are spread evenly over the validation text."""
        L = model.scheme.shape.context_length
        n_given = min(16, max(1, L // 2))  # tokens of a prompt
        text = np.asarray(data.tokens.val)
        starts = np.linspace(0, max(0, len(text) - n_given), self.continuations, dtype=np.int64)
        prompts = torch.from_numpy(np.stack([text[start : start + n_given] for start in starts]).astype(np.int64))
        ids = generate(model, prompts, self.new_tokens, self.temperature)

        def show(row: torch.Tensor) -> str:
            text: str = data.tokenizer.decode(row.tolist())
            return text.replace("\n", " ↵ ")

        return [(show(row[:n_given]), show(row[n_given:])) for row in ids]


def neighbour_table(weight: np.ndarray, tokenizer: Any, counts: np.ndarray, words: int) -> str:
    """Return a Markdown table of the most frequent words of four letters or more and their nearest tokens."""
    ids = most_frequent_first(counts, unseen=False)
    labels = [token_label(tokenizer, token) for token in ids.tolist()]
    known = (
        row for row, text in enumerate(labels) if len(text) > 4 and token_kind(tokenizer, int(ids[row])) == "word start"
    )
    rows = np.array([*islice(known, words)], dtype=np.int64)
    near = nearest(weight[ids], rows, 8).rows
    lines = ((labels[row], " ".join(labels[other] for other in others)) for row, others in zip(rows, near, strict=True))
    return table(("word", "nearest by cosine, among tokens of the training text"), lines)


def generate(model: LanguageModel, ids: torch.Tensor, new_tokens: int, temperature: float) -> torch.Tensor:
    """Append tokens sampled from the model: ids (B, T) -> (B, T + new_tokens).

    The context is at most the trained window. A temperature of 0 takes the most likely token. Samples come from a
    separate random generator, so that the numbers drawn in training stay the same.
    """
    generator = torch_generator(EVERY_RUN, "continuations")
    device = model.tokens.weight.device
    with evaluating(model):
        for _ in range(new_tokens):
            hidden = model(ids[:, -model.scheme.shape.context_length :].to(device), last=1)[:, 0]  # (B, D)
            logits = (hidden @ model.output_table.T).float().cpu()  # (B, V)
            if temperature:
                drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
            else:
                drawn = logits.argmax(-1, keepdim=True)
            ids = torch.cat([ids, drawn], dim=1)
    return ids
