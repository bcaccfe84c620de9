"""Write disputes into merged text as diff3 markers, and describe them."""

from __future__ import annotations

from dataclasses import dataclass

from .result import Conflict
from .text import line_end_of


@dataclass(frozen=True, slots=True)
class Dispute:
    """Hold the three whole-line texts of one conflict, and what is said about it."""

    base: bytes
    ours: bytes
    theirs: bytes
    where: str = ""
    said_ours: str = ""
    said_theirs: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Markers:
    """Know how conflict markers are written: labels for ours, base and theirs, and their length in characters."""

    labels: tuple[str, str, str]
    size: int

    def write(self, dispute: Dispute) -> bytes:
        """Return the dispute between markers; each part ends its last line so that a marker starts its own."""
        end = line_end_of(dispute.ours or dispute.theirs or dispute.base)
        ours, base, theirs = (label.encode() for label in self.labels)
        return b"".join(
            (
                _marker(b"<", self.size, ours, end),
                _ended(dispute.ours, end),
                _marker(b"|", self.size, base, end),
                _ended(dispute.base, end),
                _marker(b"=", self.size, b"", end),
                _ended(dispute.theirs, end),
                _marker(b">", self.size, theirs, end),
            )
        )


def compose(parts: list[bytes | Dispute], markers: Markers) -> tuple[bytes, tuple[Conflict, ...]]:
    """Join merged text and disputes into one content, and list the conflicts with their lines."""
    written: list[bytes] = []
    conflicts: list[Conflict] = []
    line = 1
    for part in parts:
        if isinstance(part, Dispute):
            said_ours = part.said_ours or change_in_words(part.base, part.ours)
            said_theirs = part.said_theirs or change_in_words(part.base, part.theirs)
            conflicts.append(Conflict(line, part.where, said_ours, said_theirs, part.reason))
            part = markers.write(part)
        written.append(part)
        line += part.count(b"\n")
    return b"".join(written), tuple(conflicts)


def change_in_words(base: bytes, side: bytes) -> str:
    """Say what one side did to a stretch of lines."""
    before, after = base.count(b"\n") or bool(base), side.count(b"\n") or bool(side)
    if base == side:
        return "left it as it was"
    if not base:
        return f"added {_counted(after)}"
    if not side:
        return f"removed {_counted(before)}"
    return f"changed {_counted(before)}" + ("" if before == after else f" into {_counted(after)}")


def _counted(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines} lines"


def _marker(sign: bytes, size: int, label: bytes, end: bytes) -> bytes:
    return sign * size + (b" " + label if label else b"") + end


def _ended(text: bytes, end: bytes) -> bytes:
    return text if not text or text.endswith(b"\n") else text + end
