"""The entries of a log: a member's comments and the like, signed, each linked to the previous one.

The signature covers the bytes as written, so a newer Bough may add fields that this one does not know: they are kept
and passed on, and shown by versions that understand them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import msgspec

from bough_daemon.errors import BoughError
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.objects import FILE
from bough_daemon.git.paths import check_path
from bough_daemon.team.identity import Identity, statement, verify

DIGEST_BYTES = 32
MOST_ENTRY_BYTES = 64 << 10  # of one entry, including its code
MOST_TEXT = 20_000  # characters of one comment
MOST_CODE_BYTES = 8 << 10  # of the lines that a comment is about
LONGEST_MARK = 32  # characters of a reaction
LONGEST_BRANCH = 200
MOST_KEPT_ENDS = 200  # of one entry
LATEST = 2**63


class Anchor(msgspec.Struct, frozen=True):
    """The code that a comment is about, as it was when the comment was made.

    `commit`: the shared snapshot; `blob`: the file there. `first`: the number of the first line, from 1. `code`: the
    lines; `above` and `below`: a few lines around them.
    """

    path: bytes
    commit: str
    blob: str
    first: int
    code: bytes
    above: bytes = b""
    below: bytes = b""


class Remark(msgspec.Struct, frozen=True, tag="comment"):
    """A comment on code of a live branch: `branch`."""

    branch: str
    anchor: Anchor
    text: str


class RemarkReply(msgspec.Struct, frozen=True, tag="reply"):
    """A reply to a comment. `about`: the comment's digest."""

    about: bytes
    text: str


class Closing(msgspec.Struct, frozen=True, tag="close"):
    """A comment is closed or, with `again`, reopened."""

    about: bytes
    again: bool = False


class Reaction(msgspec.Struct, frozen=True, tag="react"):
    """A mark on a comment or a reply: an emoji, or a word."""

    about: bytes
    mark: str


class SolidMark(msgspec.Struct, frozen=True, tag="solid"):
    """A snapshot that its author marked as solid. `tip`: the shared one."""

    branch: str
    tip: str
    text: str = ""


class LogEnd(msgspec.Struct, frozen=True):
    """The valid end of a former member's log: their key, and the number and digest of the last entry."""

    by: bytes
    sequence: int
    digest: bytes


class KeptLogs(msgspec.Struct, frozen=True, tag="keep"):
    """What former members had said when they were removed or left: it stays valid, also for those who join later."""

    ends: list[LogEnd]


Said = Remark | RemarkReply | Closing | Reaction | SolidMark | KeptLogs

_DECODER = msgspec.json.Decoder(Said)


@dataclass(frozen=True)
class TalkEntry:
    """One entry of a member's log.

    `by`: the member's key. `sequence`: 1 for the first one. `before`: the digest of the previous one, empty for the
    first. `time`: milliseconds since the epoch, by the member's clock. `content`: from `content_of`.
    """

    by: bytes
    sequence: int
    before: bytes
    time: int
    content: bytes
    signature: bytes = b""

    def statement(self, team: str) -> bytes:
        """Return what the member signs."""
        return statement("talk", team, self.by, self.sequence, self.before, self.time, self.content)

    def signed(self, team: str, identity: Identity) -> TalkEntry:
        """Return this entry with the member's signature."""
        return replace(self, signature=identity.sign(self.statement(team)))

    def is_sound(self, team: str) -> bool:
        """Return whether it is well-formed, and signed by its member for this team."""
        links_back = len(self.before) == (DIGEST_BYTES if self.sequence > 1 else 0)
        in_bounds = 0 < self.sequence < LATEST and 0 <= self.time < LATEST and len(self.content) <= MOST_ENTRY_BYTES
        return links_back and in_bounds and verify(self.by, self.signature, self.statement(team))

    @property
    def digest(self) -> bytes:
        """Return the digest that identifies this entry."""
        return hashlib.sha256(self.statement("")).digest()

    @property
    def size(self) -> int:
        """Return its approximate size in bytes."""
        return len(self.content) + 200

    @property
    def said(self) -> Said | None:
        """Return its content; None if this Bough does not understand it, or it is out of bounds."""
        return said_in(self.content)


def content_of(said: Said) -> bytes:
    """Return an entry's content as the bytes that are signed."""
    return msgspec.json.encode(said)


def said_in(content: bytes) -> Said | None:
    """Return the content in signed bytes; None if this Bough does not understand it, or it is out of bounds."""
    try:
        said = _DECODER.decode(content)
    except (ValueError, RecursionError):
        return None
    return said if _is_in_bounds(said) else None


def _is_in_bounds(said: Said) -> bool:
    match said:
        case Remark(branch, anchor, text):
            return 0 < len(branch) <= LONGEST_BRANCH and _is_text(text) and _is_anchor(anchor)
        case RemarkReply(about, text):
            return len(about) == DIGEST_BYTES and _is_text(text)
        case Closing(about):
            return len(about) == DIGEST_BYTES
        case Reaction(about, mark):
            return len(about) == DIGEST_BYTES and 0 < len(mark) <= LONGEST_MARK and mark.isprintable()
        case KeptLogs(ends):
            return 0 < len(ends) <= MOST_KEPT_ENDS and all(len(end.digest) == DIGEST_BYTES for end in ends)
        case SolidMark(branch, tip, text):
            named = 0 < len(branch) <= LONGEST_BRANCH and bool(OBJECT_ID.fullmatch(tip))
            return named and len(text) <= MOST_TEXT


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MOST_TEXT


def _is_anchor(anchor: Anchor) -> bool:
    """Return whether an anchor can be searched: Git accepts its path, and it has lines."""
    try:
        check_path(anchor.path.decode("utf-8", "surrogateescape"), FILE)
    except BoughError:
        return False
    around = max(len(anchor.code), len(anchor.above), len(anchor.below))
    named = OBJECT_ID.fullmatch(anchor.commit) and OBJECT_ID.fullmatch(anchor.blob)
    return bool(named) and 0 < anchor.first < 2**31 and len(anchor.code) > 0 and around <= MOST_CODE_BYTES
