"""Turn what an engine wrote into what may be inserted: it must fit the text around the cursor."""

from __future__ import annotations

import re

_CLOSES = {")": "(", "]": "[", "}": "{"}
_SPECIAL = re.compile(
    r"<\|[^|>\n]*\|>|<\uff5c[^\uff5c>\n]*\uff5c>|</?(?:s|pad|unk|mask|EOT|fim_[a-z]+|filename|file_sep)>"
)


def fitting(text: str, prefix: str, suffix: str, max_lines: int = 1) -> str:
    """Return what of `text` may be inserted between `prefix` and `suffix`; "" if nothing may.

    No special tokens of a model, no more lines than asked, no trailing blanks, no bracket that the rest of the line
    already closes, no open bracket except from the first line, and nothing that the rest of the line or the next line
    repeats.
    """
    special = _SPECIAL.search(text)
    text = text[: special.start()] if special else text
    text = "\n".join(text.split("\n")[:max_lines]).rstrip()
    tail, _, below = suffix.partition("\n")
    if tail.strip():
        text = _without_overlap(_without_extra_closers(text.split("\n")[0], tail), tail.rstrip())
    return _without_open_ends(_without_next_line(text, prefix.rpartition("\n")[2], below))


def _without_extra_closers(text: str, tail: str) -> str:
    """Cut `text` before a bracket that closes nothing in it, if `tail` closes the same one."""
    _, waiting = _unmatched(tail)
    opened: list[str] = []
    for place, character in enumerate(text):
        if character in _CLOSES.values():
            opened.append(character)
        elif character in _CLOSES:
            if opened and opened[-1] == _CLOSES[character]:
                opened.pop()
            elif waiting and waiting[0] == character:
                return text[:place]
    return text


def _without_open_ends(text: str) -> str:
    """Drop the last lines while they leave a bracket open that the first line did not open."""
    lines = text.split("\n")
    opened, _ = _unmatched(lines[0])
    while len(lines) > 1 and _unmatched("\n".join(lines))[0] > opened:
        lines.pop()
    return "\n".join(lines)


def _unmatched(text: str) -> tuple[int, list[str]]:
    """Return the number of open brackets in `text`, and the closing ones that were opened before it."""
    opened, found = 0, list[str]()
    for character in text:
        if character in _CLOSES.values():
            opened += 1
        elif character in _CLOSES:
            if opened:
                opened -= 1
            else:
                found.append(character)
    return opened, found


def _without_overlap(text: str, tail: str) -> str:
    """Cut from the end of `text` what `tail` begins with, unless it closes a bracket of `text`."""
    for length in range(min(len(text), len(tail)), 0, -1):
        if text.endswith(tail[:length]) and _unmatched(text[:-length])[0] == _unmatched(text)[0]:
            return text[:-length]
    return text


def _without_next_line(text: str, typed: str, below: str) -> str:
    """Drop the last lines of `text` while they equal the lines that follow anyway."""
    following = next((line.strip() for line in below.split("\n") if line.strip()), "")
    if not any(map(str.isalnum, following)):
        return text
    lines = text.split("\n")
    lines[0] = typed + lines[0]
    if following in (line.strip() for line in lines):
        kept = lines[: next(place for place, line in enumerate(lines) if line.strip() == following)]
        return "\n".join(kept)[len(typed) :].rstrip() if kept else ""
    return text
