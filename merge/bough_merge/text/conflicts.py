"""Write conflicts into merged text as diff3 markers, and describe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bough_merge.text.result import Conflict
from bough_merge.text.text import line_end_of, lines_of


@dataclass(frozen=True, slots=True)
class Dispute:
    """The three whole-line texts of one conflict, and its description."""

    base: bytes
    ours: bytes
    theirs: bytes
    where: str = ""
    said_ours: str = ""
    said_theirs: str = ""
    reason: str = ""
    final: bool = False
    """Whether the sides contradict each other however they are laid out, so that merging by lines would hide it."""

    def within(self, head: bytes, tail: bytes) -> Dispute:
        """Return the conflict with surrounding text that all sides share."""
        return replace(
            self, base=head + self.base + tail, ours=head + self.ours + tail, theirs=head + self.theirs + tail
        )

    def followed_by(self, other: Dispute) -> Dispute:
        """Return one conflict that covers this one and the next."""
        return replace(
            self, base=self.base + other.base, ours=self.ours + other.ours, theirs=self.theirs + other.theirs
        )


@dataclass(frozen=True, slots=True)
class Markers:
    """The format of conflict markers: labels for ours, base and theirs, and their length in characters."""

    labels: tuple[str, str, str]
    size: int

    def write(self, dispute: Dispute) -> bytes:
        """Write a conflict between markers; each part's last line is ended so that a marker starts its own line."""
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
    """Join merged text and conflicts into one content, and list the conflicts with their lines."""
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


def whole_lines(parts: Sequence[bytes | Dispute]) -> list[bytes | Dispute]:
    """Widen conflicts to whole lines, without lines that all three sides share at their ends."""
    found: list[bytes | Dispute] = []
    open_dispute: Dispute | None = None
    clean = b""
    for part in parts:
        if isinstance(part, Dispute):
            if open_dispute is None:
                head = clean.rfind(b"\n") + 1
                found.append(clean[:head])
                open_dispute, clean = part.within(clean[head:], b""), b""
            else:
                open_dispute = open_dispute.followed_by(part)
        elif open_dispute is not None:
            tail = part.find(b"\n") + 1
            open_dispute = open_dispute.within(b"", part[:tail] if tail else part)
            if tail:
                found.extend(_trimmed(open_dispute))
                open_dispute, clean = None, part[tail:]
        else:
            clean += part
    found.extend([clean] if open_dispute is None else _trimmed(open_dispute))
    return [part for part in found if part != b""]


def _trimmed(dispute: Dispute) -> list[bytes | Dispute]:
    base, ours, theirs = (lines_of(_unless_blank(text)) for text in (dispute.base, dispute.ours, dispute.theirs))
    shortest = min(len(base), len(ours), len(theirs))
    head = next((i for i in range(shortest) if not base[i] == ours[i] == theirs[i]), shortest)
    shortest -= head
    tail = next((i for i in range(shortest) if not base[-1 - i] == ours[-1 - i] == theirs[-1 - i]), shortest)
    inner = replace(
        dispute,
        base=b"".join(base[head : len(base) - tail]),
        ours=b"".join(ours[head : len(ours) - tail]),
        theirs=b"".join(theirs[head : len(theirs) - tail]),
    )
    rest = b"".join(ours[len(ours) - tail :])
    middle: bytes | Dispute = inner
    if inner.final and inner.ours != inner.theirs:
        middle = inner
    elif inner.ours == inner.theirs or inner.theirs == inner.base:
        middle = inner.ours
    elif inner.ours == inner.base:
        middle = inner.theirs
    return [b"".join(ours[:head]), middle, rest]


def _unless_blank(text: bytes) -> bytes:
    """Drop the rest of a line once its only entity is gone."""
    return text if text.strip(b" \t\r\n,;") or b"\n" in text[:-1] else b""


def change_in_words(base: bytes, side: bytes) -> str:
    """Describe what one side did to a stretch of lines."""
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
