"""Indentation of lines."""

from __future__ import annotations


def indent_of(line: str) -> str:
    """Return the leading blanks of a line."""
    return line[: len(line) - len(line.lstrip())]


def last_line(text: str) -> str:
    """Return the last line that is not blank."""
    text = text.rstrip()
    return text[text.rfind("\n") + 1 :]
