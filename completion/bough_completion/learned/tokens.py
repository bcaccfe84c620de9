"""Text as numbers: a token is a word, a number, an operator or a line break, with the blanks before it.

Every token has two numbers. Its *surface* is what is written, blanks included, and is what gets suggested. Its *core*
drops the blanks, and contexts are compared by it, so that `f( x` and `f(x` are the same context.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

# The token before the first one of each text; it equals no other text's.
BOUNDARY = 0
# The cores of line breaks: the next line with text begins at the same column, further right, further left.
NEWLINE, DEEPER, SHALLOWER = 1, 2, 3

_OPERATOR = r"=!<>+\-*/%&|^~?:"
# Possessive quantifiers, and the most frequent beginnings first: a third less time.
_PATTERN = re.compile(
    rf"[ \t]*+(?:[a-zA-Z_]\w*+|[^\w\s{_OPERATOR}]|\d++|[{_OPERATOR}]++|\w++)|\n[ \t]*+(?!\s)|\s*\n[ \t]*|\s+"
)


def split(text: str) -> list[str]:
    """Return the tokens of `text`; joined they are the text again."""
    return _PATTERN.findall(text)


class _Numbers(dict[str, int]):
    """Number every new key on first sight, and keep the keys in that order."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__((text, number) for number, text in enumerate(texts))
        self.texts = texts

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self.texts)
        self.texts.append(key)
        return number


class TokenTable:
    """The numbers of tokens, their cores, and cores by prefix."""

    def __init__(self) -> None:
        self._numbers = _Numbers(["", "\n", "\n ", "\n\n"])
        self._cores = np.array([BOUNDARY, NEWLINE, NEWLINE, NEWLINE], np.int32)
        self._columns = np.array([-1, 0, 1, 0], np.int32)
        # The cores that are not line breaks, in alphabetical order.
        self._alphabet = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, text: str) -> Tokens:
        """Return the surfaces of `text`."""
        pieces = split(text)
        return np.fromiter(map(self._numbers.__getitem__, pieces), np.int32, len(pieces))

    def cores(self, surfaces: Tokens, column: int = 0) -> Tokens:
        """Return the core of every surface; the line before the first line break starts at `column`."""
        self._admit()
        cores = self._cores[surfaces]
        breaks = np.flatnonzero(cores == NEWLINE)
        columns = self._columns[surfaces[breaks]]
        change = np.diff(columns, prepend=column)
        cores[breaks] = np.where(change > 0, DEEPER, np.where(change < 0, SHALLOWER, NEWLINE))
        return cores

    def core(self, surface: int) -> int:
        """Return the core of a surface, NEWLINE of any line break."""
        self._admit()
        return int(self._cores[surface])

    def text(self, surface: int) -> str:
        """Return the text of a surface."""
        return self._numbers.texts[surface]

    def starting_with(self, beginning: str, limit: int) -> Tokens:
        """Return the first cores in the alphabet with a prefix, sorted by number, at most `limit`."""
        self._admit()
        start, end = self._place(beginning), self._place(beginning + chr(sys.maxunicode))
        return np.sort(self._alphabet[start : min(end, start + limit)])

    def _admit(self) -> None:
        """Compute the cores of the surfaces that were numbered since the last call."""
        known, texts = len(self._cores), self._numbers.texts
        if known == len(texts):
            return
        cores, breaks = list[int](), list[tuple[int, int]]()
        for text in texts[known:]:
            if text.isspace():
                core = "\n" if "\n" in text else text
                if core == "\n":
                    breaks.append((known + len(cores), len(text) - text.rfind("\n") - 1))
            else:
                core = text.lstrip(" \t")
            cores.append(self._numbers[core])
        cores += range(known + len(cores), len(texts))  # cores that never occur without blanks, numbered just now
        self._cores = np.concatenate([self._cores, np.array(cores, np.int32)])
        self._columns = np.concatenate([self._columns, np.full(len(cores), -1, np.int32)])
        for number, column in breaks:
            self._columns[number] = column
        self._sort([number for number, core in enumerate(cores, known) if core == number])

    def _sort(self, fresh: list[int]) -> None:
        """Add cores to the alphabet."""
        if len(fresh) < 32:
            for number in fresh:
                self._alphabet = np.insert(self._alphabet, self._place(self.text(number)), number)
        else:
            self._alphabet = np.array(sorted([*self._alphabet.tolist(), *fresh], key=self.text), np.int32)

    def _place(self, text: str) -> int:
        """Return how many cores precede a text in the alphabet."""
        return bisect_left(self._alphabet, text, key=self.text)
