"""Measure a hub with many subscribers: how long until the last of them has a save, and what the hub takes.

usage: python -m tests.bench.hub [--members N] [--processes N] [--rounds N] [--json FILE]

A real hub (`bough hub join`), a member who saves (a daemon, a working tree), and N subscribers (default 200) in few
processes: each is a member of the team with a key of its own, has a mutual-TLS stream to the hub, speaks the product's
protocol (`Exchange`), and has no store: it takes every pack as it comes. A round: a file is written -> each subscriber
has the pack with the new tip. The bars are a p95 of 200 ms for the last one, and 200 MB of memory for the hub.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bough_daemon.errors import PeerUnreachable
from bough_daemon.home import Home
from bough_daemon.store.packs import Limits, Spool
from bough_daemon.sync import wire
from bough_daemon.sync.dial import call_member, present_ticket
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.jobs import FindHaves, Job, TakePack
from bough_daemon.sync.joining import join_request
from bough_daemon.sync.listener import Pipe
from bough_daemon.sync.messages import Hello
from bough_daemon.team.identity import Identity, load_identity
from bough_daemon.team.roster import Roster
from bough_daemon.team.team_files import now_ms
from bough_daemon.team.tickets import Ticket

from tests.bench.attacks import RealMember, _scrub
from tests.bench.idle import mebibytes, seconds_used
from tests.cli.conftest import Member
from tests.daemon.support import git, make_repository

HUB = "hub"
FILES = {f"d{number % 10}/f{number}.py": b"def f():\n    return 1\n" for number in range(200)}
JOINING = 4  # subscribers of a process who join at once
PATIENCE = 300.0
BUNDLED = 16  # words in one message
AGAIN = 1.0  # seconds until a hub that did not answer is called again
PAUSE = 0.7  # seconds between two rounds, in which what is said back comes to rest


class Subscriber:
    """A member who has a connection with the hub and nothing else."""

    def __init__(self, name: str, identity: Identity, roster: Roster) -> None:
        self.name = name
        self._identity = identity
        self._roster = roster
        self._said = asyncio.Event()
        self._exchange = Exchange(name, roster, lambda: Spool(io.BytesIO()), Limits(), identity.key, identity)

    @classmethod
    async def join(cls, name: str, ticket: Ticket, commit: str, folder: Path) -> Subscriber:
        """Join the team of a ticket."""
        identity = load_identity(Home(str(folder), str(folder)))
        request = join_request(ticket, name, identity)
        request.commits.append(commit)
        roster, said = Roster(ticket.team), wire.gossip((await present_ticket(ticket, request)).welcome)
        roster.restore(dict.fromkeys(said.admissions, 0), said.contacts, now_ms(), said.removals)
        return cls(name, identity, roster)

    async def subscribe(self) -> None:
        """Talk with the hub for ever; call again where it does not answer in time, as a member does."""
        while True:
            with contextlib.suppress(PeerUnreachable):
                await self._talk()
            await asyncio.sleep(AGAIN)

    async def _talk(self) -> None:
        hub, hello = self._roster.member(HUB), Hello(self._roster.team, relays=True, talks=True, bundles=True)
        address = next(one for one in self._roster.addresses(HUB) if one.startswith("127."))
        async with call_member(address, hello, hub.certificate, self._identity) as pipe:
            self._do(self._exchange.connected(HUB, relays=pipe.hello.relays, talks=pipe.hello.talks))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._write(pipe))
                while (word := await pipe.read()) is not None:
                    self._do(self._exchange.hear(HUB, word, now_ms()))
                raise EOFError(f"{self.name} was cut off")

    async def _write(self, pipe: Pipe) -> None:
        while True:
            self._said.clear()
            while said := [word for _ in range(BUNDLED) if (word := self._exchange.next_word(HUB)) is not None]:
                await pipe.write(*said)
            await self._said.wait()

    def _do(self, jobs: Iterable[Job]) -> None:
        pending = list(jobs)
        while pending:
            job = pending.pop()
            if isinstance(job, FindHaves):
                known = (state.tip for state in self._exchange.known.values())
                pending += self._exchange.ask(job, tuple(known), ())
            if isinstance(job, TakePack):
                print(json.dumps([self.name, job.state.key.member, job.state.tip, time.monotonic()]), flush=True)
                pending += self._exchange.pack_taken(job, None)
        self._said.set()


async def subscribe(ticket: Ticket, commit: str, names: list[str], folder: Path) -> None:
    """Be many subscribers, in this process."""
    turn = asyncio.Semaphore(JOINING)

    async def begin(name: str) -> Subscriber:
        async with turn:
            return await Subscriber.join(name, ticket, commit, folder / name)

    subscribers = await asyncio.gather(*map(begin, names))
    print(json.dumps(["joined", "", "", 0]), flush=True)
    await asyncio.gather(*(one.subscribe() for one in subscribers))


class Crowd:
    """The processes of the subscribers, and what they have told."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes
        self.joined = 0
        self.taken: dict[str, dict[str, float]] = {}  # by tip of the member who saves: who has it, since when
        self._news = asyncio.Event()
        self._reading = [asyncio.create_task(self._read(one)) for one in processes]

    @classmethod
    async def start(cls, ticket: str, commit: str, members: int, processes: int, folder: Path) -> Crowd:
        """Start the subscribers."""
        names = [f"m{number:03}" for number in range(members)]
        words = [sys.executable, "-m", "tests.bench.hub", "--subscribe", ticket, commit, str(folder)]
        started = [
            await asyncio.create_subprocess_exec(*words, *names[at::processes], stdout=asyncio.subprocess.PIPE)
            for at in range(processes)
        ]
        return cls(started)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline() or self._ended():
            name, member, tip, moment = json.loads(line)
            if name == "joined":
                self.joined += 1
            if member == "alice":
                self.taken.setdefault(tip, {})[name] = moment
            self._news.set()

    def _ended(self) -> bytes:
        self._news.set()
        raise EOFError("a process of subscribers has ended")

    async def until(self, tips: set[str], count: int) -> dict[str, float]:
        """Return when each of `count` subscribers had a tip that is not one of `tips`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for tip, taken in self.taken.items():
                    if tip not in tips and len(taken) == count:
                        return taken
                self._news.clear()
                await self._news.wait()
                for one in self._reading:
                    if one.done():
                        one.result()

    async def stop(self) -> None:
        """End the subscribers."""
        for one in self._processes:
            one.kill()
        await asyncio.gather(*(one.wait() for one in self._processes))
        await asyncio.gather(*self._reading, return_exceptions=True)


async def measure(folder: Path, members: int, processes: int, rounds: int) -> dict[str, object]:
    """Measure with a hub and a member who saves."""
    alice = RealMember("alice", make_repository(folder / "tree", FILES), folder / "home")
    hub = RealMember("hub", folder, folder / "hub")
    git(alice.tree, "config", "user.name", "Alice")
    try:
        alice.bough("up")
        ticket = alice.told("invite", "--listen", "127.0.0.1:0", "--uses", str(members + 1))["ticket"]
        hub.bough("hub", "join", ticket, "--folder", str(hub.home), "--listen", "127.0.0.1:0")
        alice.bough("save", "--wait", HUB)
        began = time.monotonic()
        commit = git(alice.tree, "rev-parse", "HEAD")
        crowd = await Crowd.start(ticket, commit, members, processes, folder / "members")
        try:
            await crowd.until(set(), members)
            print(f"{members} subscribers have joined and have everything after {time.monotonic() - began:.1f} s")
            await asyncio.sleep(5 * PAUSE)
            return await _rounds(alice, hub.daemon_pid(), crowd, members, rounds)
        finally:
            await crowd.stop()
    finally:
        alice.ends()
        hub.ends()


async def _rounds(alice: Member, hub: int, crowd: Crowd, members: int, rounds: int) -> dict[str, object]:
    last, middle, used, most = list[float](), list[float](), seconds_used(hub), 0.0
    for number in range(rounds):
        before, began = set(crowd.taken), time.monotonic()
        (alice.tree / "d1/f1.py").write_text(f"def f():\n    return {number}\n")
        taken = await crowd.until(before, members)
        last.append(max(taken.values()) - began)
        middle.append(statistics.median(taken.values()) - began)
        most = max(most, mebibytes(hub))
        await asyncio.sleep(PAUSE)
    last.sort()
    return {
        "members": members,
        "rounds": rounds,
        "last_p50_ms": round(statistics.median(last) * 1e3),
        "last_p95_ms": round(last[min(len(last) - 1, int(len(last) * 0.95))] * 1e3),
        "last_max_ms": round(last[-1] * 1e3),
        "median_ms": round(statistics.median(middle) * 1e3),
        "hub_mib": round(most, 1),
        "hub_cpu_ms_per_save": round((seconds_used(hub) - used) / rounds * 1e3),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--subscribe"]:
        ticket, commit, folder, *names = sys.argv[2:]
        asyncio.run(subscribe(Ticket.parse(ticket), commit, names, Path(folder)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-hub-") as folder:
        _scrub(Path(folder))
        told = asyncio.run(measure(Path(folder), chosen.members, chosen.processes, chosen.rounds))
    for name, value in told.items():
        print(f"{name:20} {value}")
    if chosen.json:
        chosen.json.write_text(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
