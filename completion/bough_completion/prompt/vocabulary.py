"""Text to tokens and back, by the `tokenizers` library."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from bough_completion.errors import BadModel
from bough_completion.libraries import library

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# A character that sorts after all others.
LAST = chr(0x10FFFF)


class Vocabulary:
    """The tokens of one model. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Read a `tokenizer.json`; raise `BadModel` if it cannot be read."""
        try:
            self._tokenizer = library("tokenizers").Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise BadModel(f"{path} cannot be read: {error}") from error
        # A marker inside the user's text must not act as one.
        self._tokenizer.encode_special_tokens = True
        # Between keystrokes, only the newest line of a prompt changes.
        self._known = lru_cache(maxsize=64)(self._encode)

    def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of plain text; no marker is added or recognised."""
        return self._known(text) if text else ()

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens without markers; an incomplete character at the end is left out."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).rstrip(REPLACEMENT)

    def beginnings(self, text: str) -> Sequence[int]:
        """Return the tokens that begin with `text`, and those that `text` begins with.

        The first call takes a moment: half a second for 150,000 tokens.
        """
        if not text:
            return ()
        texts, numbers = self._sorted
        spans = [(bisect_left(texts, text), bisect_left(texts, text + LAST))]
        spans += [(bisect_left(texts, text[:size]), bisect_right(texts, text[:size])) for size in range(1, len(text))]
        return [number for first, last in spans for number in numbers[first:last]]

    @cached_property
    def _sorted(self) -> tuple[list[str], list[int]]:
        """Every token by its text, except those that are markers or a part of a character.

        Not all markers are called special: Qwen's for filling in are not. The other additions to a vocabulary are
        blanks.
        """
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        texts = self._tokenizer.decode_batch([[number] for number in range(size)], skip_special_tokens=True)
        added = self._tokenizer.get_added_tokens_decoder()
        known = sorted(
            (text, number)
            for number, text in enumerate(texts)
            if text and REPLACEMENT not in text and (number not in added or text.isspace())
        )
        return [text for text, _ in known], [number for _, number in known]

    def id_of(self, marker: str) -> int:
        """Return the token of a marker; raise `BadModel` if the model has no such token."""
        token = self._tokenizer.token_to_id(marker)
        if token is None:
            raise BadModel(f"the tokenizer has no {marker}")
        return int(token)

    def words(self) -> dict[str, int]:
        """Return every token with its number."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))
