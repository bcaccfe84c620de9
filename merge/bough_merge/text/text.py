"""Text files: lines in bytes, their ends, and files that are not text."""

from __future__ import annotations

# Git looks for a NUL byte this far into a file to call it binary (xdiff-interface.c, FIRST_FEW_BYTES).
_SNIFFED_BYTES = 8000


def is_binary(content: bytes) -> bool:
    """Return whether git would call this content binary."""
    return b"\0" in content[:_SNIFFED_BYTES]


def lines_of(content: bytes) -> list[bytes]:
    r"""Split content into lines that keep their ends; only `\n` ends a line, as in git."""
    lines = content.split(b"\n")
    last = lines.pop()
    lines = [line + b"\n" for line in lines]
    if last:
        lines.append(last)
    return lines


def line_end_of(content: bytes) -> bytes:
    r"""Return the line end of the content's first line, `\n` if there is none."""
    end = content.find(b"\n")
    return b"\r\n" if end > 0 and content[end - 1] == 0x0D else b"\n"
