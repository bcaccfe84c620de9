"""The word that is being typed: the answer begins with it, in the tokens that the model would have chosen.

A prompt that ends in half a word ends in tokens that the model never saw there: `.pri` is a separate token, while the
model always saw `.prices`, which is one token too. So the half-typed word is not in the prompt. The first tokens of the
answer are constrained to it instead: of those that begin with it, or that it begins with, the model chooses the
likeliest. ("Token healing"; https://github.com/guidance-ai/guidance has the idea.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bough_completion.prompt.vocabulary import Vocabulary

# Text that tokenizers never split from what precedes it: a word with the character before it, signs after a space,
# spaces.
_LAST = re.compile(r"(?:\s+| ?[^\w\s]+|[^\w\r\n]?\w+)\Z")
# Characters of the longest half-typed word; a longer one is not taken for a word.
_LONGEST = 64


class TypedLine:
    """A line of which `text` is typed: `stable` goes into the prompt, the answer begins with `rest`.

    The tokens of `forced` go into the prompt after `stable`: they are the only way to spell what follows it.
    """

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        found = _LAST.search(text, max(0, len(text) - _LONGEST))
        cut = found.start() if found and len(text) - found.start() < _LONGEST else len(text)
        self.stable, self.word = text[:cut], text[cut:]
        self.forced: list[int] = []
        self.rest = self.word
        self._force()

    @property
    def spelled(self) -> Sequence[int]:
        """The tokens of `rest` if nothing followed it."""
        return self._vocabulary.encode(self.rest)

    def allowed(self, written: Sequence[int]) -> Sequence[int] | None:
        """Return the tokens that may follow the `written` part of the answer; None once `rest` is written."""
        text = self._vocabulary.decode(written)
        left = self.rest[len(text) :]
        if not left:
            return None
        if found := self._vocabulary.beginnings(left):
            return found
        # A character that takes several tokens: only these are allowed, one after another. A single character of a
        # broken encoding is invisible at the end of a text: it is complete when they all are.
        spelled = self._vocabulary.encode(left)
        done = next(size for size in range(len(written) + 1) if self._vocabulary.decode(written[:size]) == text)
        return spelled[len(written) - done :][:1] or None

    def without(self, text: str) -> str:
        """Return the part of an answer's text after the cursor."""
        return text[len(self.rest) :]

    def _force(self) -> None:
        while self.rest:
            found = self._vocabulary.beginnings(self.rest)
            if not found:
                self.forced += self._vocabulary.encode(self.rest)
                self.rest = ""
            elif len(found) == 1 and self.rest.startswith(text := self._vocabulary.decode(found)):
                self.forced += found
                self.rest = self.rest[len(text) :]
            else:
                return
