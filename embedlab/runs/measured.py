"""Keys of results.json that depend only on weights and held-out text, as evaluation measures them."""

from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired, TypedDict


@dataclass(frozen=True, slots=True)
class Key:
    """The meaning of a key, and its unit, "" if it has none."""

    about: str
    unit: str = ""


NATS, BITS = "nats/token", "bits/byte"
Heads = list[list[list[float | None]]]  # [layer][head][distance]
Windows = Literal["non_overlapping", "sliding"]


class Scores(TypedDict):
    """Losses over all targets of a split."""

    loss: Annotated[float | None, Key("mean cross-entropy of a target; null in a diverged run", NATS)]
    perplexity: Annotated[float | None, Key("exp(loss)", "perplexity")]
    bits_per_byte: Annotated[float | None, Key("the loss per UTF-8 byte of text: compares tokenizers", BITS)]


class Baselines(TypedDict):
    """Losses of counting models on the validation targets; a trained model must be better."""

    unigram: Annotated[float, Key("add-one unigram of the training text", NATS)]
    bigram: Annotated[float, Key("add-one bigram of the training text", NATS)]
    unigram_entropy: Annotated[float, Key("entropy of the training text's own token frequencies", NATS)]


class ContextScore(TypedDict):
    """The loss at one context length under one protocol."""

    context_length: Annotated[int, Key("length of a window", "tokens")]
    protocol: Annotated[Windows, Key("windows side by side, or each target with (nearly) the whole context before it")]
    loss: Annotated[float | None, Key("mean cross-entropy of a target", NATS)]
    bits_per_byte: Annotated[float | None, Key("the same per UTF-8 byte of text", BITS)]
    defined: Annotated[bool, Key("whether the scheme is defined and the text long enough; if not, the losses are null")]
    note: Annotated[str, Key("why it is not defined")]
    targets: Annotated[int, Key("how many targets were scored", "tokens")]


class ShuffledScore(TypedDict):
    """The loss when all but the last tokens of the context are shuffled."""

    keep: Annotated[int, Key("how many of the last tokens keep their order", "tokens")]
    loss: Annotated[float, Key("mean cross-entropy of a window's last target", NATS)]
    rise: Annotated[float, Key("loss less the loss in order", NATS)]


class TokenTable(TypedDict):
    """Measures of the token table's rows of the most frequent tokens."""

    rows: Annotated[int, Key("how many rows were measured", "rows")]
    effective_rank: Annotated[float, Key("exp of the entropy of the singular values' shares", "directions")]
    isotropy: Annotated[float, Key("1 if all directions are alike, near 0 if one dominates")]
    mean_cosine: Annotated[float, Key("mean cosine of two different rows")]
    norm_log_frequency: Annotated[float | None, Key("correlation of a row's length with the log of its token's count")]


class PositionTable(TypedDict):
    """Measures of the scheme's own table."""

    rows: Annotated[int, Key("positions or distances in the table", "rows")]
    effective_rank: Annotated[float, Key("exp of the entropy of the singular values' shares", "directions")]
    similarity_by_distance: Annotated[list[float], Key("mean cosine of rows whose positions differ by 0, 1, …")]


class Neighbour(TypedDict):
    """A token near another one."""

    token: Annotated[str, Key("its text")]
    cosine: Annotated[float, Key("cosine of the two vectors")]


class Neighbours(TypedDict):
    """A frequent token and the tokens nearest to it."""

    token: Annotated[str, Key("its text")]
    count: Annotated[int, Key("occurrences in the test text", "tokens")]
    neighbours: Annotated[list[Neighbour], Key("the nearest tokens by cosine, nearest first")]


class Tables(TypedDict):
    """Measures of the model's tables."""

    token: Annotated[TokenTable, Key("the token table")]
    position: Annotated[PositionTable | None, Key("the scheme's table; null if it has none")]
    neighbours: Annotated[list[Neighbours], Key("nearest tokens of the most frequent words")]


class PositionLens(TypedDict):
    """Attention by distance."""

    windows: Annotated[int, Key("windows of test text that were measured", "windows")]
    logits: Annotated[
        Heads, Key("[layer][head][distance]: mean logit of keys at this distance; null if none is finite")
    ]
    weights: Annotated[Heads, Key("[layer][head][distance]: mean attention weight of keys at this distance")]


class CloserLook(TypedDict):
    """Measures of the model on the test text besides its losses; null for a measure that failed."""

    extrapolation: Annotated[list[ContextScore] | None, Key("losses at other context lengths, on the same targets")]
    order_sensitivity: Annotated[list[ShuffledScore] | None, Key("what shuffling the context costs")]
    tables: Annotated[Tables | None, Key("measures of the learned tables")]
    position_lens: Annotated[PositionLens | None, Key("attention by distance; null for a head without attention")]


class TextPieces(TypedDict):
    """The test loss of each piece of the text, from which other text of the same kind can be judged."""

    unit: Annotated[Literal["document", "window"], Key("what a piece is: a document if 30 or more were scored")]
    loss: Annotated[list[float], Key("mean cross-entropy of a piece's targets, six decimals", NATS)]
    tokens: Annotated[list[int], Key("its scored targets", "tokens")]
    bytes: Annotated[list[int], Key("UTF-8 bytes of these targets", "bytes")]


class HeldOut(TypedDict):
    """Losses on held-out text."""

    val: Annotated[Scores, Key("validation text")]
    test: Annotated[Scores, Key("test text")]
    baselines: Annotated[Baselines | None, Key("what counting alone reaches on the validation text")]
    loss_by_position: Annotated[list[float] | None, Key("mean test loss of targets that see 1, 2, … tokens", NATS)]
    test_pieces: Annotated[TextPieces | None, Key("test loss by piece of text; neighbours are joined past 1,000")]


class Diverged(TypedDict):
    """Where the loss became NaN, infinite, or worse than before training with an infinite perplexity."""

    step: Annotated[int, Key("optimizer steps done", "steps")]
    loss: Annotated[str, Key("nan, inf, -inf, or nats above the untrained model's, with infinite perplexity")]


class Measured(HeldOut, CloserLook):
    """Results that depend only on weights and held-out text; `python -m embedlab.evaluate` measures it again."""

    eval_tokens_per_second: Annotated[float | None, Key("speed of scoring the test text", "tokens/s")]
    diverged: NotRequired[Annotated[Diverged, Key("where training diverged, if it did; all scores are null then")]]
