"""Compact letter display: settings that share a letter cannot be told apart.

Piepho (2004), "An algorithm for a letter-based representation of all-pairwise comparisons", Journal of Computational
and Graphical Statistics 13(2), insert and absorb: all settings begin in one column. For each pair that is told apart,
every column that holds both is inserted twice, once without each of the two; a column that another one contains is
absorbed. The columns left are the largest sets without a pair that is told apart; each gets a letter.
"""

from collections.abc import Iterable
from string import ascii_letters

MOST_COLUMNS = 1000  # intermediate columns; the number of sets can grow exponentially


def assign_letters(n: int, apart: Iterable[tuple[int, int]]) -> list[str] | None:
    """Return the letters of n settings in order of rank, given the pairs told apart; None if the alphabet is too short.

    >>> assign_letters(4, [(0, 2), (0, 3), (1, 3)])
    ['a', 'ab', 'bc', 'c']
    """
    columns = {(1 << n) - 1}  # each a set of settings, as bits
    for i, j in apart:
        both = 1 << i | 1 << j
        split = {column for column in columns if column & both == both}
        columns -= split
        for column in sorted(split):
            columns |= {column & ~(1 << i), column & ~(1 << j)}
        columns = _absorb(columns, split, both)
        if len(columns) > MOST_COLUMNS:
            return None
    if len(columns) > len(ascii_letters):
        return None
    members = sorted([i for i in range(n) if column >> i & 1] for column in columns)
    return [
        "".join(letter for letter, column in zip(ascii_letters, members, strict=False) if i in column) for i in range(n)
    ]


def shorten(letters: str) -> str:
    """Return letters with runs of three and more shortened; – if there are none.

    >>> shorten("abcdg"), shorten("ab"), shorten("")
    ('a–dg', 'ab', '–')
    """
    runs: list[str] = []
    for letter in letters:
        place = ascii_letters.index(letter)
        if runs and place and runs[-1][-1] == ascii_letters[place - 1]:
            runs[-1] += letter
        else:
            runs.append(letter)
    return "".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else run for run in runs) or "–"


def _absorb(columns: set[int], split: set[int], both: int) -> set[int]:
    """Return the columns without those that another one contains; only parts of the `split` ones can be contained."""
    parts = {column & ~bit for column in split for bit in _bits(both)}
    return {
        column
        for column in columns
        if column not in parts or not any(column & other == column for other in columns if other != column)
    }


def _bits(both: int) -> tuple[int, int]:
    low = both & -both
    return low, both ^ low
