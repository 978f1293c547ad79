"""Long text in pieces that are tokenized one by one and give the same ids as the whole text.

tiktoken first splits text into words by a regular expression and merges bytes within a word only. So a piece may end
wherever every such expression (gpt2 and r50k, p50k, cl100k, o200k) ends a word, whatever the text around:
- before a space that follows a character other than white space: in all of them a space only starts a word;
- between a letter or digit and white space, punctuation or a symbol except the apostrophe: o200k keeps "it's" whole.
Chinese has such ends at its punctuation. A text without one for LONGEST_WORD characters is cut anyway: no text is lost,
but the ids around that cut can differ from those of the whole text.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

LONGEST_WORD = 1 << 22  # characters; bounds the memory
SEARCH = 1000  # characters that a split searches for the end of a word


def safe_pieces(chunks: Iterable[str], longest: int = LONGEST_WORD) -> Iterator[str]:
    """Yield the same text in pieces of about the chunks' length, each ending where all tokenizers end a word."""
    kept = ""
    for chunk in chunks:
        text = kept + chunk
        cut = next((i for i in range(len(text) - 1, max(len(kept), 1) - 1, -1) if _ends_word(text, i)), 0)
        if not cut and len(text) >= longest:
            cut = len(text)
        if cut:
            yield text[:cut]
        kept = text[cut:]
    if kept:
        yield kept


def split_at(pieces: Iterable[str], ends: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield (part, piece): part 0 up to the first end, part 1 up to the second, and so on.

    ends: ascending, in characters from the start; each is moved forward to the next end of a word.
    """
    part = done = 0
    for piece in pieces:
        while part < len(ends) and ends[part] < done + len(piece):
            target = max(ends[part] - done, 0)
            near = range(target, min(target + SEARCH, len(piece)))
            otherwise = len(piece) if len(piece) == near.stop else target  # a piece's end is the end of a word
            cut = next((i for i in near if i == 0 or _ends_word(piece, i)), otherwise)
            yield part, piece[:cut]
            piece, done, part = piece[cut:], done + cut, part + 1
        yield part, piece
        done += len(piece)


def _ends_word(text: str, i: int) -> bool:
    """Return whether every tokenizer ends a word between text[i - 1] and text[i], 0 < i < len(text)."""
    before, after = text[i - 1], text[i]
    if after == " ":
        return not before.isspace()
    if unicodedata.category(before)[0] not in "LN" or after == "'":
        return False
    return after.isspace() or unicodedata.category(after)[0] in "PSZ"
