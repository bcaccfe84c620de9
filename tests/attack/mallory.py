"""A member of the team who says whatever a test likes: a real certificate, a real connection, no daemon.

Mallory joins with a ticket, as anyone would, and then speaks peer.proto: to a daemon in a process of its own
(`tests.cli.conftest.Member`) and to one in this process (`tests.daemon.team_support.Side`) alike. What the other side
says is read at once and kept in `Conversation.heard`.

    mallory = await Mallory.join(ticket, clone, home)
    async with mallory.calls("alice") as talk:
        answer = await talk.offer(mallory.state(tip), mallory.pack([tip]))
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import struct
import subprocess
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from bough_daemon.home import Home
from bough_daemon.sync import wire
from bough_daemon.sync.dial import _channel as channel_to
from bough_daemon.sync.dial import present_ticket
from bough_daemon.sync.joining import join_request
from bough_daemon.sync.messages import Announce, Chunk, Gossip, Held, Hello, Message, Refused, Want
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.roster import Admission, Contact, Roster
from bough_daemon.team.team_files import now_ms
from bough_daemon.team.tickets import Ticket
from bough_proto.v1 import peer_pb2 as pb
from bough_proto.v1 import peer_pb2_grpc as services

from tests.cli.conftest import Member
from tests.daemon.support import git
from tests.daemon.team_support import Side

LOOPBACK = "127.0.0.1"
PATIENCE = 60.0  # seconds until what a test waits for must have been heard: a bomb is a second of processor time
CHUNK_BYTES = 1 << 20
COMMIT, TREE, BLOB, REF_DELTA = 1, 2, 3, 7  # types in a pack

Conversing = grpc.aio.StreamStreamCall[pb.ConverseRequest, pb.ConverseResponse]


@dataclass
class Mallory:
    """One member. `root`: a clone in which plain Git makes the commits; `roster`: the members known so far."""

    name: str
    root: Path
    identity: Identity
    roster: Roster
    _sequences: dict[Key, int] = field(default_factory=dict)

    @classmethod
    async def join(cls, ticket: str, root: Path, home: Path, name: str = "mallory") -> Mallory:
        """Come into the team of a ticket; `root`: a clone of its repository, `home`: where her keys are kept."""
        identity = load_identity(Home(str(home), str(home)))
        parsed = Ticket.parse(ticket)
        request = join_request(parsed, name, identity)
        request.commits.extend(git(root, "rev-list", "--max-parents=0", "HEAD").split())
        answer = await present_ticket(parsed, request)
        roster, said = Roster(parsed.team), wire.gossip(answer.welcome)
        roster.merge(said.admissions, said.contacts, now_ms())
        assert roster.by_key(identity.key) is not None
        return cls(name, root, identity, roster)

    # Signing.

    def state(
        self,
        tip: str,
        base: str | None = None,
        *,
        branch: bytes | None = None,
        kind: BranchKind = BranchKind.LIVE,
        member: str | None = None,
        sequence: int | None = None,
        time: int | None = None,
        team: str | None = None,
    ) -> State:
        """Return a signed state: the next one of Mallory's own live branch, where nothing else is given."""
        key = Key(member or self.name, kind, self.name.encode() if branch is None else branch)
        number = self._sequences.get(key, 0) + 1 if sequence is None else sequence
        self._sequences[key] = max(number, self._sequences.get(key, 0))
        when = now_ms() if time is None else time
        return State(team or self.roster.team, key, number, tip, base or tip, when).signed(self.identity)

    def admission(self, who: Identity, name: str, *, time: int | None = None, nonce: bytes = b"") -> Admission:
        """Return a signed admission of `who` under a name; `time`: milliseconds since the epoch, now by default."""
        return self.resigned(
            Admission(
                name, who.key, who.certificate, who.vouch, self.identity.key, now_ms() if time is None else time, nonce
            )
        )

    def resigned(self, entry: Admission) -> Admission:
        """Return an admission with Mallory as the admitter, signed."""
        plain = replace(entry, admitter=self.identity.key, signature=b"")
        return replace(plain, signature=self.identity.sign(plain.statement(self.roster.team)))

    def removal(self, name: str, *keeps: str) -> Removal:
        """Return a signed removal of a member, by which those whom they let in are out, but for `keeps`."""
        key, kept = self.roster.member(name).key, tuple(self.roster.member(one).key for one in keeps)
        return Removal(key, self.identity.key, now_ms(), kept).signed(self.roster.team, self.identity)

    def contact(self, *addresses: str, time: int | None = None) -> Contact:
        """Return a signed contact."""
        plain = Contact(self.identity.key, addresses, now_ms() if time is None else time)
        return replace(plain, signature=self.identity.sign(plain.statement(self.roster.team)))

    # Making.

    def commit(self, files: dict[str, bytes], *parents: str, message: str = "work", author: str = "") -> str:
        """Write a commit of these files alone, on top of `parents`, into the clone."""
        lines = []
        for path, data in files.items():
            lines.append(f"100644 blob {git(self.root, 'hash-object', '-w', '--stdin', stdin=data)}\t{path}\n")
        assert not any("/" in path for path in files), "mktree makes one level"
        tree = git(self.root, "mktree", stdin="".join(lines).encode())
        named, _, email = author.rstrip(">").partition(" <")
        environment = {"GIT_AUTHOR_NAME": named, "GIT_AUTHOR_EMAIL": email} if author else {}
        options = [word for parent in parents for word in ("-p", parent)]
        return git(self.root, "commit-tree", tree, *options, "-m", message, stdin=b"", **environment)

    async def pack(self, tips: Sequence[str], haves: Sequence[str] = ()) -> bytes:
        """Return a thin pack of what `tips` reach and `haves` do not; of nothing where `tips` is empty."""
        lines = "\n".join([*tips, *(f"^{oid}" for oid in haves)]).encode() + b"\n"
        child = await asyncio.create_subprocess_exec(
            *("git", "-C", str(self.root), "pack-objects", "--revs", "--thin", "--stdout", "-q"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        made, _ = await child.communicate(lines if tips else b"")
        assert child.returncode == 0
        return made

    def raw_pack(self, *objects: tuple[int, bytes, str]) -> bytes:
        """Return a pack of (type, content, base): a type of gitformat-pack, and for REF_DELTA the base of the delta."""
        packed = b"PACK" + struct.pack(">II", 2, len(objects))
        for kind, data, base in objects:
            rest, first = len(data) >> 4, kind << 4 | len(data) & 15
            while rest:
                packed += bytes([first | 0x80])
                rest, first = rest >> 7, rest & 0x7F
            packed += bytes([first]) + bytes.fromhex(base) + zlib.compress(data)
        return packed + hashlib.sha1(packed).digest()

    def content(self, oid: str, kind: str) -> bytes:
        """Return what an object of the clone has, as it is."""
        done = subprocess.run(["git", "-C", self.root, "cat-file", kind, oid], capture_output=True, check=True)
        return done.stdout

    # Calling.

    @contextlib.asynccontextmanager
    async def calls(self, name: str) -> AsyncIterator[Conversation]:
        """Call a member where they were last said to listen, and yield the conversation once they have answered."""
        async with self.calls_at(self.roster.addresses(name)[0], self.roster.member(name).certificate) as talk:
            yield talk

    @contextlib.asynccontextmanager
    async def calls_at(self, address: str, certificate: bytes) -> AsyncIterator[Conversation]:
        """Call whoever has a certificate (DER) at an address."""
        async with channel_to(address, certificate, self.identity) as channel:
            talk = Conversation(self, services.PeerServiceStub(channel).Converse())
            reading = asyncio.create_task(talk._read())
            try:
                await talk.say(Hello(self.roster.team))
                await talk.hears(Hello)
                yield talk
            finally:
                reading.cancel()
                talk.call.cancel()
                await asyncio.gather(reading, return_exceptions=True)


class Conversation:
    """A conversation with one member. `heard`: every word so far; `ended`: why it is over, None while it goes on."""

    def __init__(self, mallory: Mallory, call: Conversing) -> None:
        self.mallory = mallory
        self.call = call
        self.heard: list[Message] = []
        self.ended: str | None = None
        self._more = asyncio.Event()

    async def _read(self) -> None:
        try:
            while isinstance(message := await self.call.read(), pb.ConverseResponse):
                self._hear(wire.word(message.word))
            self.ended = str(await self.call.details() or await self.call.code())
        except grpc.RpcError as broken:
            self.ended = str(broken)
        self._more.set()

    def _hear(self, word: Message) -> None:
        self.heard.append(word)
        if isinstance(word, Gossip):
            self.mallory.roster.merge(word.admissions, word.contacts, now_ms())
            self.mallory.roster.merge_removals(word.removals, now_ms())
        self._more.set()

    # Speaking.

    async def say(self, *words: Message) -> None:
        """Say words."""
        for word in words:
            await self.say_raw(wire.word_message(word))

    async def say_raw(self, message: pb.Word) -> None:
        """Say a message that need not be a word."""
        await self.call.write(pb.ConverseRequest(word=message))

    async def send(self, state: State, pack: bytes, name: str = "pack", chunk_bytes: int = CHUNK_BYTES) -> None:
        """Send a pack for a state, whether or not it was asked for."""
        for offset in range(0, len(pack), chunk_bytes):
            await self.say(Chunk(state, name, offset, len(pack), pack[offset : offset + chunk_bytes]))

    # Listening.

    async def hears(self, kind: Any, since: int = 0, which: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first word of a kind, after the first `since` words, of which `which` is true."""
        end = time.monotonic() + PATIENCE
        while True:
            self._more.clear()
            for word in self.heard[since:]:
                if isinstance(word, kind) and which(word):
                    return word
            assert self.ended is None, f"the conversation has ended: {self.ended}"
            try:
                async with asyncio.timeout(end - time.monotonic()):
                    await self._more.wait()
            except TimeoutError:
                raise AssertionError(f"no {kind} was said; heard {self.heard[since:]}") from None

    async def ends(self) -> str:
        """Wait until the other side ends the conversation, and return what was said about that."""
        end = time.monotonic() + PATIENCE
        while self.ended is None:
            self._more.clear()
            async with asyncio.timeout(end - time.monotonic()):
                await self._more.wait()
        return self.ended

    # Both.

    async def offer(self, state: State, pack: bytes) -> Held | Refused:
        """Announce a state, send the pack when asked for it, and return the answer."""
        since = len(self.heard)
        await self.say(Announce(state))
        first: Want | Held | Refused = await self.hears(
            Want | Held | Refused, since, lambda word: word.key == state.key
        )
        if not isinstance(first, Want):
            return first
        since = self.heard.index(first, since) + 1
        await self.send(state, pack)
        answer: Held | Refused = await self.hears(Held | Refused, since, lambda word: word.key == state.key)
        return answer

    async def ask(
        self, key: Key, sequence: int, haves: Iterable[str] = (), shallow: Iterable[str] = ()
    ) -> bytes | Refused:
        """Ask for a state and return the pack that comes, or the refusal."""
        since, pack = len(self.heard), b""
        await self.say(Want(key, sequence, tuple(haves), tuple(shallow)))
        while True:
            word: Chunk | Refused = await self.hears(Chunk | Refused, since, lambda word: _key_of(word) == key)
            since = self.heard.index(word, since) + 1
            if isinstance(word, Refused):
                return word
            pack += word.data
            if len(pack) >= word.total:
                return pack


def _key_of(word: Chunk | Refused) -> Key:
    return word.state.key if isinstance(word, Chunk) else word.key


async def invited(host: Member, folder: Path, name: str = "mallory") -> Mallory:
    """Return a new member of the team of a daemon in a process of its own, with a clone in `folder`."""
    ticket = (await asyncio.to_thread(host.bough, "invite", "--listen", LOOPBACK)).splitlines()[-1]
    return await _with_clone(ticket, host.tree, folder, name)


async def invited_by(host: Side, folder: Path, name: str = "mallory") -> Mallory:
    """Return a new member of the team of a member in this process, with a clone in `folder`."""
    return await _with_clone((await host.sync.invite(LOOPBACK)).ticket, host.root, folder, name)


async def _with_clone(ticket: str, origin: Path, folder: Path, name: str) -> Mallory:
    root = folder / f"clone-{name}"
    git(folder, "clone", "-q", str(origin), str(root))
    return await Mallory.join(ticket, root, folder / f"home-{name}", name)


def unpacked(root: Path, pack: bytes) -> list[str]:
    """Put a pack that came in into a repository, whatever is in it, and return the objects that it brought."""
    before = _objects(root)
    git(root, "unpack-objects", "-q", stdin=pack)
    return sorted(_objects(root) - before)


def _objects(root: Path) -> set[str]:
    return set(git(root, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split())
