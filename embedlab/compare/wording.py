"""Join words to a list in a sentence."""

from collections.abc import Sequence


def join_words(words: Sequence[str], most: int = 9) -> str:
    """Return "a, b and c"; for more than `most` words, the first most - 1 and the number of the others.

    >>> join_words(["a", "b", "c"]), join_words(["a", "b", "c", "d"], most=3)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
