"""TensorBoard's Text tab: the run's settings, nearest neighbours of well-known words, and how the model goes on."""

from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning import Trainer
from omegaconf import OmegaConf

from embedlab.config.settings import as_yaml, at_least
from embedlab.data.token_counts import count_tokens, most_frequent_first
from embedlab.data.token_labels import token_kind, token_label
from embedlab.evaluation.loss import evaluating
from embedlab.evaluation.neighbours import nearest
from embedlab.model.embeddings import LanguageModel
from embedlab.tensorboard.markdown import code, table
from embedlab.tensorboard.writers import summary_writer
from embedlab.training.looker import Looker
from embedlab.training.module import LanguageModule


class Texts(Looker):
    """Settings at the start; neighbours of `words` frequent words and `continuations` of held-out text at the end."""

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
        counts = count_tokens(data.tokens.train, len(weight))
        writer.add_text("neighbours", neighbour_table(weight, data.tokenizer, counts, self.words), trainer.global_step)
        if self.continuations:
            told = self.told(module.model, data)
            writer.add_text("continuations", table(("given", "continued"), told), trainer.global_step)

    def told(self, model: LanguageModel, data: Any) -> list[tuple[str, str]]:
        """(beginning, continuation) pairs; the beginnings stand in the validation text, far apart."""
        L = model.scheme.shape.context_length
        given = min(16, max(1, L // 2))
        text = np.asarray(data.tokens.val)
        starts = np.linspace(0, max(0, len(text) - given), self.continuations, dtype=np.int64)
        prompts = torch.from_numpy(np.stack([text[start : start + given] for start in starts]).astype(np.int64))
        ids = continued(model, prompts, self.new_tokens, self.temperature)
        show = lambda row: data.tokenizer.decode(row.tolist()).replace("\n", " ↵ ")  # noqa: E731
        return [(show(row[:given]), show(row[given:])) for row in ids]


def neighbour_table(weight: np.ndarray, tokenizer: Any, counts: np.ndarray, words: int) -> str:
    """Markdown: the most frequent words of four letters or more, and the tokens whose vectors lie nearest."""
    ids = most_frequent_first(counts, unseen=False)
    labels = [token_label(tokenizer, token) for token in ids.tolist()]
    known = (
        row for row, text in enumerate(labels) if len(text) > 4 and token_kind(tokenizer, int(ids[row])) == "word start"
    )
    rows = np.array([*islice(known, words)], dtype=np.int64)
    near = nearest(weight[ids], rows, 8).rows
    lines = ((labels[row], " ".join(labels[other] for other in others)) for row, others in zip(rows, near, strict=True))
    return table(("word", "nearest by cosine, among tokens of the training text"), lines)


def continued(model: LanguageModel, ids: torch.Tensor, new_tokens: int, temperature: float) -> torch.Tensor:
    """ids (B, T) -> (B, T + new_tokens), drawn from the model; sees the trained window's length at most. A temperature
    of 0 takes the likeliest token.

    Draws from a generator of its own, so that looking does not change what training draws.
    """
    generator = torch.Generator().manual_seed(0)
    device = model.tokens.weight.device
    with evaluating(model):
        for _ in range(new_tokens):
            hidden = model(ids[:, -model.scheme.shape.context_length :].to(device))[:, -1]  # (B, D)
            logits = (hidden @ model.output_table.T).float().cpu()  # (B, V)
            if temperature:
                drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
            else:
                drawn = logits.argmax(-1, keepdim=True)
            ids = torch.cat([ids, drawn], dim=1)
    return ids
