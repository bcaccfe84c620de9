"""Comments on code in one repository: creating, answering, listing them with their code's current place, counting."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from bough_merge.text.text import lines_of

from bough_daemon.api.records import (
    CodePlace,
    CommentAdded,
    CommentAnswer,
    CommentAnswered,
    CommentList,
    CommentMark,
    CommentOrder,
    CommentQuery,
    CommentReply,
    CommentThread,
    MarkedSolid,
    Solid,
)
from bough_daemon.commands.hop import hop_now
from bough_daemon.errors import BadUsage, NothingToComment
from bough_daemon.git.objects import Objects
from bough_daemon.history.timeline import Snapshot
from bough_daemon.store.store import LIVE, Store
from bough_daemon.sync.team_sync import TeamSync
from bough_daemon.system.text import bounded, printable
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.talk.entries import (
    LONGEST_MARK,
    MOST_CODE_BYTES,
    MOST_TEXT,
    Anchor,
    Closing,
    Reaction,
    Remark,
    RemarkReply,
    SolidMark,
)
from bough_daemon.talk.positions import CodePosition, PositionFinder, PositionMemory, anchor_at
from bough_daemon.talk.suggestion import suggestion_in
from bough_daemon.talk.team_talk import TeamTalk
from bough_daemon.talk.threads import Thread
from bough_daemon.transaction.context import LiveWorktree

MOST_SHOWN_LINES = 10  # of the code of one comment
LONGEST_ABOUT = 120  # characters of a comment in an event


class Talker:
    """What the user of one repository does with comments."""

    def __init__(self, store: Store, owner: StoreThread, sync: TeamSync) -> None:
        self._store = store
        self._owner = owner
        self._sync = sync
        self._memory = PositionMemory()
        self._turn = asyncio.Lock()

    @property
    def _talk(self) -> TeamTalk:
        return self._sync.talk

    # Said by the user.

    async def comment(self, live: LiveWorktree, order: CommentOrder) -> CommentAdded:
        """Comment on lines of a file, as the team sees it; raise NothingToComment."""
        text = _checked(order.text)
        path = live.from_top([order.file])[0]
        here = await self._owner.run(_branch_here, live)
        if order.on and order.on not in (here, live.branch.name):
            branch = live.known(order.on)
            anchor = await self._anchor(branch.tip, branch.tip, path, order)
        else:
            snapshot = await live.save()
            anchor = await self._anchor(snapshot.shared, snapshot.oid, path, order)
        on = order.on or here
        digest = self._sync.say(Remark(on, anchor, text))
        return CommentAdded(self._talk.ids()[digest], on, path, order.first, order.last)

    async def _anchor(self, commit: str, whole: str, path: str, order: CommentOrder) -> Anchor:
        """Return an anchor in a shared commit. `whole`: the one including withheld files.

        On a thread of its own, as a teammate's folders may be large.
        """
        objects = Objects(self._store.objects.folder)
        return await to_the_end(asyncio.to_thread(_anchored, objects, commit, whole, path, order))

    def answer(self, order: CommentAnswer) -> CommentAnswered:
        """Reply to a comment, close it, reopen it, or react to it; raise UnknownComment."""
        thread, digest = self._talk.named(order.id)
        text, by = thread.text_of(digest), self._sync.roster.name_of(thread.author_of(digest))
        if order.reply:
            digest = self._sync.say(RemarkReply(thread.digest, _checked(order.reply)))
        elif order.mark:
            mark = order.mark.strip()
            if not mark.isprintable() or not 0 < len(mark) <= LONGEST_MARK:
                raise BadUsage(f"a reaction is an emoji or a word of at most {LONGEST_MARK} characters")
            self._sync.say(Reaction(digest, mark))
        elif thread.is_open == order.close:
            self._sync.say(Closing(thread.digest, again=order.reopen))
        return CommentAnswered(self._talk.ids()[digest], by, bounded(text))

    async def mark_solid(self, live: LiveWorktree, text: str) -> MarkedSolid:
        """Mark my newest snapshot as solid."""
        snapshot = await live.save()
        await self._sync.publish(live.branch.name, snapshot.shared, snapshot.shared_base)
        self._sync.say(SolidMark(live.branch.name, snapshot.shared, text[:MOST_TEXT]))
        return MarkedSolid(live.branch.name, snapshot.shared)

    # Shown to the user.

    async def comments(self, live: LiveWorktree, query: CommentQuery) -> CommentList:
        """Return comments, and where their code is now."""
        path = live.from_top([query.file])[0] if query.file else ""
        here, mine = await self._owner.run(_branch_here, live), self._sync.roster.members.get(self._sync.member)
        threads = [
            thread
            for thread in self._talk.threads()
            if (query.all or thread.is_open)
            and (not query.on or thread.remark.branch == query.on)
            and (not query.mine or (mine is not None and thread.has_part_of(mine.key)))
        ]
        tip = live.branch.tip
        async with self._turn:
            trees = await self._owner.run(self._trees, {here, live.branch.name}, tip, threads)
            found = await to_the_end(asyncio.to_thread(self._placed, threads, trees, here))
        ids, new = self._talk.ids(), self._talk.new()
        told = [self._told(thread, *place, ids, new) for thread, place in zip(threads, found, strict=True)]
        if path:
            told = [one for one in told if _is_below(one.place.file if one.place else one.file_then, path)]
        elif query.shown and not query.on and not query.mine:
            self._talk.note_seen()
        return CommentList(sorted(told, key=lambda one: one.branch not in (here, live.branch.name)))

    def _trees(self, here: set[str], tip: Snapshot | None, threads: list[Thread]) -> dict[str, str]:
        """Return the tree of each branch that has comments; for my own, my files. On the store's thread."""
        mine = dict.fromkeys(here, tip.tree) if tip is not None else {}
        tips = {branch: self._store.ref(LIVE + branch) for branch in {one.remark.branch for one in threads} - here}
        return mine | {branch: self._store.objects.commit(oid).tree for branch, oid in tips.items() if oid is not None}

    def _placed(
        self, threads: list[Thread], trees: Mapping[str, str], here: str
    ) -> list[tuple[CodePlace | None, bytes]]:
        """Return where the code of comments is: on their own branches, else in my files. On a separate thread.

        It reads with its own objects, so that no save waits for it.
        """
        finder = PositionFinder(Objects(self._store.objects.folder), self._memory)
        return [self._place(finder, thread, trees, here) for thread in threads]

    def _place(
        self, finder: PositionFinder, thread: Thread, trees: Mapping[str, str], here: str
    ) -> tuple[CodePlace | None, bytes]:
        anchor = thread.remark.anchor
        for branch in dict.fromkeys((thread.remark.branch, here)):
            tree = trees.get(branch)
            position = finder.position(anchor, tree, thread.digest, branch) if tree is not None else None
            if tree is not None and position is not None:
                code = _code_at(finder, tree, position)
                place = CodePlace(branch, position.path, *position.lines)
                return place, code
        return None, b"".join(lines_of(anchor.code)[:MOST_SHOWN_LINES])

    def _told(
        self, thread: Thread, place: CodePlace | None, code: bytes, ids: Mapping[bytes, str], new: set[bytes]
    ) -> CommentThread:
        anchor, name_of = thread.remark.anchor, self._sync.roster.name_of
        texts = (thread.remark.text, *(reply.text for reply in thread.replies))

        def marks(digest: bytes) -> list[CommentMark]:
            return [CommentMark(mark, list(map(name_of, by))) for mark, by in thread.marks.get(digest, {}).items()]

        replies = [
            CommentReply(
                ids[one.digest], name_of(one.by), one.time / 1e3, one.text, marks(one.digest), one.digest in new
            )
            for one in thread.replies
        ]
        return CommentThread(
            id=ids[thread.digest],
            by=name_of(thread.by),
            at=thread.time / 1e3,
            text=thread.remark.text,
            branch=thread.remark.branch,
            file_then=os.fsdecode(anchor.path),
            line_then=anchor.first,
            place=place,
            code=os.fsdecode(code),
            replies=replies,
            marks=marks(thread.digest),
            closed_by=name_of(thread.closed_by) if thread.closed_by else "",
            is_new=thread.digest in new,
            has_suggestion=any(suggestion_in(text) is not None for text in texts),
        )

    def counted(self, branches: set[str]) -> tuple[int, int]:
        """Return the number of open comments on these branches, and of unread entries by others.

        Unread entries in threads that the user took part in count too.
        """
        new, mine = self._talk.new(), self._sync.roster.members.get(self._sync.member)
        threads = self._talk.threads()
        fresh = [
            digest
            for thread in threads
            if thread.remark.branch in branches or (mine is not None and thread.has_part_of(mine.key))
            for digest in (thread.digest, *(reply.digest for reply in thread.replies))
            if digest in new
        ]
        return sum(one.is_open and one.remark.branch in branches for one in threads), len(fresh)

    def solid(self, branch: str) -> Solid | None:
        """Return the last snapshot of a branch that its member marked as solid."""
        tip = self._talk.solid_tip(branch)
        return Solid(tip.tip, tip.time / 1e3, bounded(tip.text)) if tip is not None else None

    def about(self, digest: str) -> str:
        """Return what an entry is about, for an event: an id, the code, and the beginning of the text."""
        entry = self._talk.logs.get(bytes.fromhex(digest))
        said = entry.said if entry is not None else None
        if isinstance(said, SolidMark):
            return " ".join(filter(None, (f"{said.branch} at {said.tip[:10]}", bounded(said.text))))
        about = bytes.fromhex(digest) if isinstance(said, Remark) else getattr(said, "about", b"")
        found = next((one for one in self._talk.threads() if about == one.digest or about in one.replied()), None)
        if found is None:
            return ""
        where = f"{printable(os.fsdecode(found.remark.anchor.path))}:{found.remark.anchor.first}"
        text = said.text if isinstance(said, (Remark, RemarkReply)) else getattr(said, "mark", "")
        return f"{self._talk.ids()[found.digest]} {where} {bounded(text)[:LONGEST_ABOUT]}".rstrip()


def _branch_here(live: LiveWorktree) -> str:
    """Return the branch that the files show: a teammate's during a hop, else my own. On the store's thread."""
    hop = hop_now(live)
    return hop.name if hop is not None else live.branch.name


def _anchored(objects: Objects, commit: str, whole: str, path: str, order: CommentOrder) -> Anchor:
    """Return an anchor in a commit, or raise NothingToComment."""
    anchor = anchor_at(objects, commit, path, order.first, order.last)
    entry = objects.entry(objects.commit(commit).tree, path)
    if entry is None and objects.entry(objects.commit(whole).tree, path) is not None:
        raise NothingToComment(f"{path} is withheld, and a comment would show its lines to the team", path=path)
    if entry is None:
        raise NothingToComment(f"there is no file {path} on that branch", path=path)
    if anchor is None:
        raise NothingToComment(f"{path} is not a text file with the lines {_span(order.first, order.last)}")
    if max(len(anchor.code), len(anchor.above), len(anchor.below)) > MOST_CODE_BYTES:
        raise NothingToComment(f"the lines {_span(order.first, order.last)} are too long for a comment")
    return anchor


def _checked(text: str) -> str:
    if not text.strip():
        raise BadUsage("the text is empty")
    if len(text) > MOST_TEXT:
        raise BadUsage(f"the text has more than {MOST_TEXT} characters")
    return text.strip("\n")


def _span(first: int, last: int) -> str:
    return f"{first} to {last}" if last > first else f"{first}"


def _is_below(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")


def _code_at(finder: PositionFinder, tree: str, position: CodePosition) -> bytes:
    entry = finder.objects.entry(tree, position.path)
    text = finder.text(entry) if entry is not None else None
    lines = lines_of(text or b"")[position.lines.first - 1 : position.lines.last]
    return b"".join(lines[:MOST_SHOWN_LINES])
