"""Measure what an attack costs an honest pair: how long a save takes until it is at the teammate, with and without it.

usage: python -m tests.bench.attacks [--seconds N] [--no-pause] [--json FILE] [ATTACK…]

Two members with real daemons; one saves a file again and again, and each time the moment is taken at which the other
has it (the file is closed -> the reference has moved). Then the same while an attack goes on against both of them, from
a process of its own: as a hostile member who speaks peer.proto, and as a stranger who reaches their ports. Times are in
milliseconds, `sent` is what the attacker got rid of. With --no-pause the attacker takes what it can get of the machine,
which the pair is on as well. Bar: p95 of 500 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from bough_daemon.budgets import MOST_ADMISSIONS
from bough_daemon.sync.messages import Announce, Chunk, Gossip, Refused, Want
from bough_daemon.team.branch_state import BranchKind, Key
from bough_daemon.team.identity import VOUCHED
from bough_daemon.team.roster import Admission
from bough_proto.v1 import peer_pb2 as pb

from tests.attack import bombs
from tests.attack.honest import live_pair, seconds_to_arrive
from tests.attack.mallory import Conversation, Mallory, _with_clone
from tests.attack.test_connections import port_of
from tests.cli.conftest import Member, Typed
from tests.daemon.support import git, make_repository
from tests.daemon.team.test_roster import someone
from tests.fuzz.words import Strange

PAUSE = 0.05  # seconds between two saves
FILES = 200  # that are saved in turn: one that changes without a pause is recorded every few seconds only
NUMBERS = itertools.count()
CROWD = 1100  # connections at once
BREATH = 0.001  # seconds between two words: faster than a daemon listens, and without a core of the pair's machine
LONG = "x" * 500_000  # characters of a word
QUIET_SHARE = 0.5  # of the seconds of an attack, for the saves without it
BAR_MS = 500


@dataclass
class Attack:
    """What an attacker is given: what to attack, and for how long. `sent`: how much of it went out.

    `breath`: seconds between two words.
    """

    ports: list[int]
    end: float
    breath: float
    sent: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether it is to go on."""
        return time.time() < self.end


ByMember = Callable[[Attack, Mallory, Conversation], Awaitable[None]]
ByStranger = Callable[[Attack], Awaitable[None]]


async def _words(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    strange = Strange(random.Random(attack.sent), mallory.roster.team, lambda state: state.signed(mallory.identity))
    while attack.goes_on:
        await talk.say_raw(strange.word())
        attack.sent += 1
        await asyncio.sleep(attack.breath)


async def _long_words(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    key = pb.StateKey(member="mallory", kind=pb.STATE_KIND_LIVE, branch=b"mallory")
    while attack.goes_on:
        await talk.say_raw(pb.Word(refused=pb.Refused(key=key, sequence=1, reason=LONG)))
        await talk.say_raw(pb.Word(want=pb.Want(key=key, haves=["1" * 40] * 20_000)))
        attack.sent += 2
        await asyncio.sleep(attack.breath)


async def _gossip(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    who = someone("nobody")
    while attack.goes_on:
        entries = [mallory.admission(who, f"n{attack.sent}x{number}") for number in range(MOST_ADMISSIONS)]
        await talk.say(Gossip(tuple(entries), (mallory.contact(*["10.0.0.1:1"] * 16),)))
        attack.sent += 1


async def _certificates(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    chance = random.Random(1)
    while attack.goes_on:
        who, entries = someone("junk"), list[Admission]()
        for number in range(50):
            junk = bytearray(who.certificate)
            junk[chance.randrange(len(junk))] ^= 1 << chance.randrange(8)
            plain = mallory.admission(who, f"j{number}")
            vouch = who.sign(VOUCHED + bytes(junk))
            entries.append(mallory.resigned(Admission(plain.name, who.key, bytes(junk), vouch, b"", plain.time)))
        await talk.say(Gossip(tuple(entries), ()))
        attack.sent += len(entries)
        await asyncio.sleep(attack.breath * len(entries))


async def _junk_packs(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    chance = random.Random(1)
    head = git(mallory.root, "rev-parse", "HEAD")
    while attack.goes_on:
        state, data = mallory.state("1" * 40, head), b"PACK" + chance.randbytes(200_000)
        await talk.say(Announce(state), Chunk(state, f"p{attack.sent}", 0, len(data), data))
        attack.sent += 1


async def _half_packs(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    head = git(mallory.root, "rev-parse", "HEAD")
    while attack.goes_on:
        state = mallory.state("1" * 40, head, kind=BranchKind.LANDED, branch=b"b%d" % attack.sent)
        await talk.say(Chunk(state, "p", 0, 1 << 30, bytes(1000)))
        attack.sent += 1
        await asyncio.sleep(attack.breath)


async def _zip_bombs(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    head = git(mallory.root, "rev-parse", "HEAD")
    made = [
        bombs.large_file(head, 99 << 20),
        bombs.many_bytes(head),
        bombs.many_paths(head, None),
        bombs.deep(head, 900),
    ]
    packs = [(one.tip, one.pack()) for one in made]
    while attack.goes_on:
        tip, pack = packs[attack.sent % len(packs)]
        await talk.offer(mallory.state(tip, head), pack)
        attack.sent += 1


async def _branches(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    head = git(mallory.root, "rev-parse", "HEAD")
    while attack.goes_on:
        await talk.say(Announce(mallory.state(head, head, kind=BranchKind.LANDED, branch=b"b%d" % attack.sent)))
        attack.sent += 1
        await asyncio.sleep(attack.breath)


async def _empty_promises(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    """Announce, and refuse to send what was announced."""
    head = git(mallory.root, "rev-parse", "HEAD")
    asked = 0
    while attack.goes_on:
        await talk.say(
            Announce(mallory.state("1" * 40, head, kind=BranchKind.LANDED, branch=b"b%d" % (attack.sent % 16)))
        )
        for word in talk.heard[asked:]:
            if isinstance(word, Want):
                await talk.say(Refused(word.key, word.sequence, "not here"))
        asked = len(talk.heard)
        attack.sent += 1
        await asyncio.sleep(attack.breath)


async def _wants(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    while attack.goes_on:
        for name in ("alice", "bob"):
            key = Key(name, BranchKind.LIVE, name.encode())
            await talk.say(Want(key, 1, (), (), "", 0))
            attack.sent += 1
            await asyncio.sleep(attack.breath)


async def _comes_and_goes(attack: Attack, mallory: Mallory, talk: Conversation) -> None:
    if attack.goes_on:
        attack.sent += 1


async def _silence(attack: Attack) -> None:
    with contextlib.ExitStack() as stack:
        for port in attack.ports:
            for _ in range(CROWD // len(attack.ports)):
                with contextlib.suppress(OSError):
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), 1))
                    attack.sent += 1
        await asyncio.sleep(min(6.0, max(0.0, attack.end - time.time())))


async def _tls(attack: Attack) -> None:
    """Connect with TLS, and without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])

    async def one(port: int) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                attack.sent += 1
                writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(60))
                writer.close()

    await asyncio.gather(*(one(port) for port in attack.ports for _ in range(20)))


async def _junk(attack: Attack) -> None:
    """Send bytes that are no TLS."""
    chance = random.Random(attack.sent)

    async def one(port: int) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                attack.sent += 1
                writer.write(b"\x16\x03\x01" + chance.randbytes(5000))
                await writer.drain()
                writer.close()

    await asyncio.gather(*(one(port) for port in attack.ports for _ in range(20)))


MEMBERS: Mapping[str, ByMember] = {
    "strange words": _words,
    "long words": _long_words,
    "endless gossip": _gossip,
    "junk certificates": _certificates,
    "junk packs": _junk_packs,
    "half packs": _half_packs,
    "zip bombs": _zip_bombs,
    "a branch after another": _branches,
    "empty promises": _empty_promises,
    "endless questions": _wants,
    "comes and goes": _comes_and_goes,
}
STRANGERS: Mapping[str, ByStranger] = {
    "silent connections": _silence,
    "TLS without a certificate": _tls,
    "no TLS": _junk,
}


async def _as_member(attack: Attack, act: ByMember, mallory: Mallory) -> None:
    """Attack both, and call again whenever they have hung up."""

    async def at(name: str) -> None:
        while attack.goes_on:
            with contextlib.suppress(AssertionError, grpc.RpcError, asyncio.InvalidStateError, TimeoutError):
                async with mallory.calls(name) as talk, asyncio.timeout(max(0.1, attack.end - time.time())):
                    await act(attack, mallory, talk)
            await asyncio.sleep(0.01)

    await asyncio.gather(at("alice"), at("bob"))


async def _as_stranger(attack: Attack, act: ByStranger) -> None:
    while attack.goes_on:
        await act(attack)


def _attack(
    name: str, ports: list[int], joins: tuple[str, str, str], seconds: float, breath: float, sent: object
) -> None:
    """Attack, in a process of its own; begin by joining where a member is needed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))

    async def run() -> int:
        if name in STRANGERS:
            attack = Attack(ports, time.time() + seconds, breath)
            sent.put(0)  # type: ignore[attr-defined]
            await _as_stranger(attack, STRANGERS[name])
        else:
            ticket, origin, folder = joins
            mallory = await _with_clone(ticket, Path(origin), Path(folder), f"m{os.getpid()}")
            attack = Attack(ports, time.time() + seconds, breath)
            sent.put(0)  # type: ignore[attr-defined]
            await _as_member(attack, MEMBERS[name], mallory)
        return attack.sent

    sent.put(asyncio.run(run()))  # type: ignore[attr-defined]


def _saves(pair: tuple[Member, Member], goes_on: Callable[[], bool]) -> list[float]:
    """Let bob save as long as something goes on; return the milliseconds of each save."""
    took = list[float]()
    while goes_on() or len(took) < 5:
        path = f"f{next(NUMBERS) % FILES}"
        took.append(seconds_to_arrive(pair, f"{time.monotonic_ns()}\n", path) * 1e3)
        time.sleep(PAUSE)
    return took


def measure(
    pair: tuple[Member, Member], folder: Path, name: str, seconds: float, breath: float = BREATH
) -> dict[str, float]:
    """Return what one attack costs."""
    ticket = pair[0].bough("invite", "--listen", "127.0.0.1").splitlines()[-1] if name in MEMBERS else ""
    ports = [port_of(member) for member in pair]
    quiet_end = time.monotonic() + seconds * QUIET_SHARE
    quiet = _saves(pair, lambda: time.monotonic() < quiet_end)
    context = multiprocessing.get_context("spawn")
    sent = context.Queue()
    attacker = context.Process(
        target=_attack, args=(name, ports, (ticket, str(pair[0].tree), str(folder)), seconds, breath, sent)
    )
    attacker.start()
    sent.get()
    attacked = _saves(pair, attacker.is_alive)
    attacker.join()
    row: dict[str, float] = {"saves": len(attacked), "sent": sent.get()}
    for kind, times in (("quiet", quiet), ("attacked", attacked)):
        row |= {f"{kind} p50": statistics.median(times), f"{kind} p95": sorted(times)[int(len(times) * 0.95)]}
        row[f"{kind} max"] = max(times)
    return row


def main() -> None:
    """Measure each attack and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("attacks", nargs="*", metavar="ATTACK")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--no-pause", action="store_true", help="attack without a pause between two words")
    options.add_argument("--json", default="")
    chosen = options.parse_args()
    rows = dict[str, dict[str, float]]()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        _scrub(Path(folder))
        alice, bob = _members(Path(folder))
        try:
            pair = live_pair(alice, bob)
            for name in chosen.attacks or [*MEMBERS, *STRANGERS]:
                row = rows[name] = measure(pair, Path(folder), name, chosen.seconds, 0.0 if chosen.no_pause else BREATH)
                told = "  ".join(f"{kind} {value:.0f}" for kind, value in row.items())
                print(f"{name:28} {told}{'' if row['attacked p95'] <= BAR_MS else '  OVER'}", flush=True)
        finally:
            for member in (alice, bob):
                member.ends()
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=1))


def _scrub(folder: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_", "BOUGH_", "XDG_")):
            del os.environ[name]
    (folder / ".gitconfig").write_text("[user]\n\tname = B\n\temail = b@example.org\n[init]\n\tdefaultBranch = main\n")
    os.environ["HOME"] = str(folder)


class RealMember(Member):
    """A member whose commands and daemon are started as a user's are, not forked from a process that is ready."""

    def types(self, *arguments: str, stdin: str = "", where: Path | None = None) -> Typed:
        """Type a `bough` command, and return whatever came of it."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "bough_cli", *arguments],
            cwd=where or self.tree,
            input=stdin,
            capture_output=True,
            text=True,
            env=os.environ | {"BOUGH_HOME": str(self.home)} | self.variables,
            check=False,
        )
        return Typed(done.returncode, done.stdout, done.stderr)


def _members(folder: Path) -> tuple[Member, Member]:
    made = []
    for name in ("alice", "bob"):
        if name == "alice":
            make_repository(folder / name, {"a.txt": b"one\n"} | {f"f{number}": b"1\n" for number in range(FILES)})
        else:
            git(folder, "clone", "-q", "alice", name)
        git(folder / name, "config", "user.name", name.title())
        made.append(RealMember(name, folder / name, folder / f"home-{name}"))
    return made[0], made[1]


if __name__ == "__main__":
    main()
