"""The comments of one team: the logs, their file, and what is new to the user."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from itertools import islice

from msgspec import structs

from bough_daemon.errors import UnknownComment
from bough_daemon.talk.entries import Closing, Reaction, Remark, RemarkReply, Said, SolidMark, TalkEntry
from bough_daemon.talk.log_file import LogFile
from bough_daemon.talk.logs import Logs
from bough_daemon.talk.threads import SolidTip, Thread, solid_tips, threads_of
from bough_daemon.team.branch_state import branch_owner
from bough_daemon.team.identity import Identity
from bough_daemon.team.names import owner_of

log = logging.getLogger(__name__)

SHORTEST_ID = 4  # hexadecimal digits of a digest that people see and type


class TeamTalk:
    """The talk of one team, as one member has it."""

    def __init__(self, logs: Logs, kept: LogFile, identity: Identity, entries: Iterable[TalkEntry]) -> None:
        self.logs = logs
        self._kept = kept
        self._identity = identity
        self._prepared: TalkEntry | None = None
        self._unwritten: list[TalkEntry] = []
        self._threads: tuple[tuple[int, int], list[Thread]] = ((-1, 0), [])
        self._solid: tuple[tuple[int, int], dict[tuple[bytes, str], SolidTip]] = ((-1, 0), {})
        logs.restore(entries)

    def prepare(self, said: Said, now: int) -> TalkEntry:
        """Return a recorded entry with this content, which nobody has seen yet. Raise TooMuchTalk."""
        entry = self.logs.next(said, self._identity, now)
        self._append([entry])
        self._prepared = entry
        return entry

    def begin_with(self, before: TeamTalk, branch_now: Callable[[str], str]) -> None:
        """Repeat in this team what this member said alone, with the original times; `branch_now`: names of branches."""
        again, entries = dict[bytes, bytes](), list[TalkEntry]()
        for digest, old in before.logs.entries():
            said = old.said
            if isinstance(said, (Remark, SolidMark)):
                said = structs.replace(said, branch=branch_now(said.branch))
            elif isinstance(said, (RemarkReply, Closing, Reaction)) and said.about in again:
                said = structs.replace(said, about=again[said.about])
            else:
                continue
            entry = self.logs.next(said, self._identity, old.time)
            again[digest] = entry.digest
            entries += self.logs.merge([entry])
        if entries:
            self._kept.append(entries)

    def write_down(self, entries: Iterable[TalkEntry]) -> None:
        """Record what was received; if that fails, it is recorded with the next entries."""
        self._unwritten += [entry for entry in entries if entry != self._prepared]
        try:
            self._append([])
        except OSError as failure:
            log.warning("comments could not be written down: %s", failure)

    def _append(self, entries: list[TalkEntry]) -> None:
        if self._unwritten or entries:
            self._kept.append([*self._unwritten, *entries])
            self._unwritten = []

    def threads(self) -> list[Thread]:
        """Return every comment with its replies and state, oldest first."""
        if self._threads[0] != self._known():
            found = threads_of(self.logs.entries())
            for thread in found:
                thread.remark = structs.replace(thread.remark, branch=self._branch_now(thread.remark.branch))
            self._threads = self._known(), found
        return self._threads[1]

    def _known(self) -> tuple[int, int]:
        """Return a value that changes with every entry, and with every rename."""
        return len(self.logs), len(self.logs.roster.previous)

    def _branch_now(self, branch: str) -> str:
        """Return the current name of a live branch, whose member may have been renamed."""
        roster = self.logs.roster
        owner = branch if branch in roster.previous else owner_of(branch)
        key = roster.previous.get(owner)
        return roster.name_of(key) + branch.removeprefix(owner) if key is not None else branch

    def solid_tip(self, branch: str) -> SolidTip | None:
        """Return the last snapshot of a live branch that its member marked as solid; None: none."""
        owner = self.logs.roster.members.get(branch_owner(self.logs.roster, branch))
        if self._solid[0] != self._known():
            found = solid_tips(self.logs.entries())
            now = sorted(found.items(), key=lambda one: one[1].time)
            self._solid = self._known(), {(key, self._branch_now(name)): tip for (key, name), tip in now}
        return self._solid[1].get((owner.key, branch)) if owner is not None else None

    def new(self) -> set[bytes]:
        """Return the digests of the comments and replies of others that the user has not been shown."""
        mine, unseen = self._identity.key, islice(self.logs.entries(), self._kept.seen, None)
        fresh = {digest for digest, entry in unseen if entry.by != mine}
        return fresh & self._digests() if fresh else fresh

    def _digests(self) -> set[bytes]:
        """Return the digests of all comments and replies."""
        return {digest for thread in self.threads() for digest in (thread.digest, *thread.replied())}

    def note_seen(self) -> None:
        """Record that the user has been shown everything."""
        self._kept.note_seen(len(self.logs))

    def named(self, typed: str) -> tuple[Thread, bytes]:
        """Return the thread that an id names, and the digest of the comment or reply; raise UnknownComment.

        An id is the beginning of the digest, in hexadecimal digits.
        """
        wanted = typed.lower().lstrip("#")
        found = {
            digest: thread
            for thread in self.threads()
            for digest in (thread.digest, *(reply.digest for reply in thread.replies))
            if digest.hex().startswith(wanted)
        }
        if len(found) != 1 or not wanted:
            what = "more than one comment has an id that begins with" if found and wanted else "no comment has the id"
            raise UnknownComment(f"{what} {typed}", id=typed)
        digest, thread = next(iter(found.items()))
        return thread, digest

    def ids(self) -> dict[bytes, str]:
        """Return the shortest unique id of each comment and reply."""
        digests = sorted(digest.hex() for digest in self._digests())
        found = dict[bytes, str]()
        for place, this in enumerate(digests):
            beside = digests[max(0, place - 1) : place] + digests[place + 1 : place + 2]
            length = max([SHORTEST_ID, *(_common(this, other) + 1 for other in beside)])
            found[bytes.fromhex(this)] = this[:length]
        return found


def _common(one: str, other: str) -> int:
    """Return the length of the common prefix of two ids."""
    return next(place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
