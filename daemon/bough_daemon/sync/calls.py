"""Call every teammate who is not connected, repeatedly.

All known addresses of a member are tried at once, the first ones a little earlier (RFC 8305). A member who was here
recently is called every few seconds, others less often; and at once if something has changed: their addresses, this
machine's network, or a first teammate is back. A call that nobody answers costs a few packets: TLS starts only if
something listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from bough_daemon.errors import PeerRefused
from bough_daemon.sync.dial import call_member
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.listener import Pipe
from bough_daemon.sync.messages import OTHER_VERSION
from bough_daemon.system.addresses import is_loopback, split_address
from bough_daemon.system.knocking import Knock, knocks
from bough_daemon.system.supervisor import Pause, Supervisor, reason_of
from bough_daemon.team.identity import Identity

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2  # seconds between the first calls of a member who does not answer
# The longest pause, for a member who was here recently, and for others: a share of their absence.
LATELY_PAUSE, LONGEST_PAUSE, AWAY_SHARE = 2.5, 30.0, 1 / 40
STEADY = 5.0  # seconds after which a connection counts as a good one
NUDGE_PAUSE = 1.0  # minimum seconds between calls of one member, so that nobody can make us hammer them


def longest_pause(away: float) -> float:
    """Return the longest pause between calls of a member who has been away for `away` seconds."""
    return min(max(away * AWAY_SHARE, LATELY_PAUSE), LONGEST_PAUSE)


@dataclass(frozen=True)
class CallFailure:
    """Why a member was not reached: at which address, and the failure; empty if no address is known."""

    address: str
    reason: str


class Calls:
    """The calls of one member in one team, as work of `background`.

    `talk_of` returns an event that is set when the connection with a member ends, or None without one; `hold` runs one.
    """

    def __init__(
        self,
        exchange: Exchange,
        identity: Identity,
        background: Supervisor,
        talk_of: Callable[[str], asyncio.Event | None],
        hold: Callable[[str, Pipe], Awaitable[None]],
    ) -> None:
        self._exchange = exchange
        self._identity = identity
        self._background = background
        self._talk_of = talk_of
        self._hold = hold
        self._nudges: dict[str, asyncio.Event] = {}
        self._tips: dict[str, str] = {}  # possible addresses of members, from the local network
        self.other_versions: set[str] = set()  # members with an incompatible version of Bough
        self.refused: dict[str, str] = {}  # the latest reason why a connection was refused, by member
        self.failures: dict[str, CallFailure] = {}

    def begin(self) -> None:
        """Call every member of the roster from now on; a former member calls nobody."""
        for name in self._exchange.roster.members if not self._exchange.is_out else ():
            if name != self._exchange.member and name not in self._nudges:
                self._nudges[name] = asyncio.Event()
                self._background.keep(f"calling {name}", partial(self._keep_calling, name, self._nudges[name]))

    def at_once(self, names: Collection[str] | None = None) -> None:
        """Call these members now (None: all) unless connected; a running call is repeated."""
        for name, nudge in self._nudges.items():
            if names is None or name in names:
                nudge.set()

    def try_at(self, name: str, address: str) -> None:
        """Call a member at once, first at a possible address, which is forgotten with the call."""
        self._tips[name] = address
        self.at_once({name})

    async def _keep_calling(self, name: str, nudge: asyncio.Event) -> None:
        pause, lost, called = Pause(FIRST_PAUSE, LATELY_PAUSE, STEADY), time.monotonic(), 0.0
        while self._is_teammate(name):
            await asyncio.sleep(called + NUDGE_PAUSE - time.monotonic() if nudge.is_set() else 0.0)
            nudge.clear()
            called = time.monotonic()
            lasted = await self._conversation(name, nudge)
            now = time.monotonic()
            lost = now if lasted else lost
            pause.longest = longest_pause(now - lost)
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`, which before Python 3.12 forgets a cancellation that coincides with a nudge.
                async with asyncio.timeout(pause.after(lasted) * random.uniform(0.5, 1.0)):
                    await nudge.wait()
                pause = Pause(FIRST_PAUSE, LATELY_PAUSE, STEADY)
        del self._nudges[name]

    def _is_teammate(self, name: str) -> bool:
        return name in self._exchange.roster.members and not self._exchange.is_out

    async def _conversation(self, name: str, nudge: asyncio.Event) -> float:
        """Connect with a member, whichever side called; return how many seconds it lasted."""
        began, over = time.monotonic(), self._talk_of(name)
        if over is not None:
            await over.wait()
        elif not await self._call(name, nudge):
            return 0.0
        return time.monotonic() - began

    async def _call(self, name: str, nudge: asyncio.Event) -> bool:
        """Call a member at every address that answers, until it is them; return whether there was a connection."""
        roster = self._exchange.roster
        addresses, refused = list(roster.addresses(name)), ""
        if name in self._tips:
            addresses = [self._tips.pop(name), *addresses]
        failure = CallFailure("", "")
        async with contextlib.aclosing(knocks(addresses, nudge)) as answers:
            async for knock in answers:
                if self._talk_of(name) is not None:
                    return True
                if not self._is_teammate(name):
                    return False
                said = await self._talk_at(knock, name) if not knock.failure else None
                if said is None and not knock.failure:
                    self.failures.pop(name, None)
                    return True
                refused = said.message if isinstance(said, PeerRefused) else refused
                reason = knock.failure or (reason_of(said) if said is not None else "")
                if not failure.address or (not knock.failure and not is_loopback(split_address(knock.address)[0])):
                    failure = CallFailure(knock.address, reason)
        self.failures[name] = failure
        self._note_refusal(name, refused)
        return False

    async def _talk_at(self, knock: Knock, name: str) -> Exception | None:
        """Connect with a member at an address, and return None, or why it failed."""
        member = self._exchange.roster.member(name)
        hello = replace(self._exchange.hello(), carried_apart=1 + secrets.randbits(63))
        try:
            async with call_member(knock.address, hello, member.certificate, self._identity, knock.local) as pipe:
                await self._hold(name, pipe)
                return None
        except Exception as failure:
            # Whatever an address leads to, the next one is tried.
            log.debug("%s did not answer at %s: %s", name, knock.address, failure)
            return failure

    def _note_refusal(self, name: str, refused: str) -> None:
        self.refused.pop(name, None)
        if refused:
            self.refused[name] = refused
        if refused == OTHER_VERSION:
            self.other_versions.add(name)
