"""Cut a prompt to the model's window, so that the next keystroke finds most of it decoded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from bough_completion.prompt.template import Prompt

# Characters by which the start of a cut text moves at a time; until then it begins with the same line.
SNAP = 2048
# A first estimate for code; if it is wrong, a smaller cut is tried.
CHARACTERS_PER_TOKEN = 3
# Tokens reserved for the line that is being typed.
BEGUN = 64
# Shares of the window; what one part leaves unused goes to the text before the cursor.
BEFORE, AFTER, FILES = 0.55, 0.2, 0.25


def fit(prompt: Prompt, room: int, count: Callable[[Prompt], int]) -> Prompt:
    """Return `prompt`, cut until `count` of it is at most `room` tokens.

    Files are dropped from the last, the text after the cursor loses its end, the text before it its start; `begun` is
    kept whole, with space reserved for it, so that typing it moves nothing. A text that is far too long is cut before
    its tokens are counted.
    """
    room -= max(0, min(BEGUN, room // 4) - count(Prompt("", begun=prompt.begun)))
    size = CHARACTERS_PER_TOKEN * room
    while True:
        found = _cut(prompt, size)
        if count(found) <= room or size < 1:
            return found
        size = size * 2 // 3


def _cut(prompt: Prompt, size: int) -> Prompt:
    files = _first_files(prompt.files, int(size * FILES))
    after = _head(prompt.after, int(size * AFTER))
    used = len(after) + sum(len(path) + len(text) for path, text in files)
    before = _tail(prompt.before, max(int(size * BEFORE), size - used - max(BEGUN, len(prompt.begun))))
    return replace(prompt, before=before, after=after, files=files)


def _first_files(files: tuple[tuple[str, str], ...], size: int) -> tuple[tuple[str, str], ...]:
    kept = []
    for path, text in files:
        size -= len(path) + len(text)
        if size < 0:
            break
        kept.append((path, text))
    return tuple(kept)


def _head(text: str, size: int) -> str:
    """Return whole lines from the start of `text`, at most `size` characters."""
    return text if len(text) <= size else text[: text.rfind("\n", 0, size) + 1]


def _tail(text: str, size: int) -> str:
    """Return the end of `text`, at most `size` characters, from a line start that moves only by `SNAP`."""
    if len(text) <= size:
        return text
    step = min(SNAP, max(1, size // 2))
    start = math.ceil((len(text) - size) / step) * step
    return text[text.find("\n", start) + 1 :] if "\n" in text[start:] else text[start:]
