"""Build threads from the entries of all logs: comments with their replies, closed or open, and solid marks.

The same entries give the same threads, in whatever order they arrived: equal times are ordered by the numbers in the
logs, then by the digests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bough_daemon.talk.entries import Closing, Reaction, Remark, RemarkReply, SolidMark, TalkEntry

_When = tuple[int, int, bytes]


@dataclass(frozen=True)
class ThreadReply:
    """A reply in a thread. `by`: its member's key; `time`: milliseconds since the epoch."""

    digest: bytes
    by: bytes
    time: int
    text: str


@dataclass
class Thread:
    """A comment with its replies. `closed_by`: the key of the member who closed it; empty while it is open.

    `marks`: reactions to the comment and its replies, by digest and mark: the keys of their members.
    """

    digest: bytes
    by: bytes
    time: int
    remark: Remark
    replies: list[ThreadReply] = field(default_factory=list)
    closed_by: bytes = b""
    marks: dict[bytes, dict[str, list[bytes]]] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return not self.closed_by

    def text_of(self, digest: bytes) -> str:
        """Return the text of the comment or of one of its replies."""
        return next((reply.text for reply in self.replies if reply.digest == digest), self.remark.text)

    def replied(self) -> set[bytes]:
        """Return the digests of the replies."""
        return {reply.digest for reply in self.replies}

    def author_of(self, digest: bytes) -> bytes:
        """Return the key of the author of the comment or one of its replies."""
        return next((reply.by for reply in self.replies if reply.digest == digest), self.by)

    def has_part_of(self, key: bytes) -> bool:
        """Return whether a member made the comment or replied to it."""
        return key == self.by or any(reply.by == key for reply in self.replies)


@dataclass(frozen=True)
class SolidTip:
    """A snapshot that a member marked as solid. `tip`: the shared one; `time`: milliseconds since the epoch."""

    by: bytes
    branch: str
    tip: str
    time: int
    text: str


def threads_of(entries: Iterable[tuple[bytes, TalkEntry]]) -> list[Thread]:
    """Return all threads, oldest first, without entries about something that is missing or is not a comment."""
    found, remarks = dict[bytes, Thread](), list[tuple[_When, bytes]]()
    others = list[tuple[_When, bytes, TalkEntry]]()
    for digest, entry in entries:
        said = entry.said
        if isinstance(said, Remark):
            remarks.append((_when(digest, entry), digest))
            found[digest] = Thread(digest, entry.by, entry.time, said)
        elif isinstance(said, (RemarkReply, Closing, Reaction)):
            others.append((_when(digest, entry), digest, entry))
    homes = dict(found)  # the threads of comments and replies
    others.sort(key=lambda one: one[0])
    for _, digest, entry in others:
        said = entry.said
        if isinstance(said, RemarkReply) and said.about in found:
            found[said.about].replies.append(ThreadReply(digest, entry.by, entry.time, said.text))
            homes[digest] = found[said.about]
        elif isinstance(said, Closing) and said.about in found:
            found[said.about].closed_by = b"" if said.again else entry.by
    for _, _, entry in others:
        said = entry.said
        if isinstance(said, Reaction) and said.about in homes:
            keys = homes[said.about].marks.setdefault(said.about, {}).setdefault(said.mark, [])
            if entry.by not in keys:
                keys.append(entry.by)
    return [found[digest] for _, digest in sorted(remarks)]


def solid_tips(entries: Iterable[tuple[bytes, TalkEntry]]) -> dict[tuple[bytes, str], SolidTip]:
    """Return each member's last solid mark, by member's key and branch."""
    newest = dict[tuple[bytes, str], tuple[_When, SolidTip]]()
    for digest, entry in entries:
        said = entry.said
        if isinstance(said, SolidMark):
            tip = SolidTip(entry.by, said.branch, said.tip, entry.time, said.text)
            key = entry.by, said.branch
            this = (_when(digest, entry), tip)
            newest[key] = max(newest.get(key, this), this, key=lambda one: one[0])
    return {key: tip for key, (_, tip) in newest.items()}


def _when(digest: bytes, entry: TalkEntry) -> _When:
    """Return the sort key of an entry: of one member in the same millisecond, its number."""
    return entry.time, entry.sequence, digest
