"""The messages between daemons as plain data; `wire` converts them to Protobuf and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from bough_daemon.talk.entries import TalkEntry
from bough_daemon.team.branch_state import Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.invites import Invite, TicketUse
from bough_daemon.team.pauses import MemberPause
from bough_daemon.team.purges import Purge, PurgeAnswer
from bough_daemon.team.receipts import Receipt
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch

VERSION = 1
RELEASE = re.compile(r"[0-9][0-9A-Za-z.+-]{0,31}", re.ASCII)
OTHER_VERSION = "the protocol versions differ; update the older Bough"


@dataclass(frozen=True)
class Hello:
    """The first word of each side: which team this stream is about. `bough`: the release that the sender runs.

    `relays`: it understands the words for ways and receipts; `talks`: those for comments. `join_port`: where it listens
    for new members as long as a ticket names it as a deputy; 0: it does not. `hub`: it has no working tree.
    `carried_apart`: the number of the stream that carries large packs separately; 0: this one carries them.
    `bundles`: it understands several messages in one gRPC message.
    """

    team: str
    version: int = VERSION
    bough: str = ""
    relays: bool = False
    join_port: int = 0
    talks: bool = False
    hub: bool = False
    carried_apart: int = 0
    bundles: bool = False


@cache
def own_release() -> str:
    """Return this Bough's version."""
    return release(metadata.version("bough"))


def release(said: str) -> str:
    """Return the version that a peer states, or an empty string if it is not a version."""
    return said if RELEASE.fullmatch(said) else ""


@dataclass(frozen=True)
class Gossip:
    """The members, their addresses, the removals and the purges of a team."""

    admissions: tuple[Admission, ...] = ()
    contacts: tuple[Contact, ...] = ()
    removals: tuple[Removal, ...] = ()
    purges: tuple[Purge, ...] = ()
    purge_answers: tuple[PurgeAnswer, ...] = ()
    invites: tuple[Invite, ...] = ()
    ticket_uses: tuple[TicketUse, ...] = ()
    vouches: tuple[Vouch, ...] = ()


@dataclass(frozen=True)
class Announce:
    """I hold this state and everything that its tip reaches."""

    state: State


@dataclass(frozen=True)
class Held:
    """The answer to a state: I hold it, or a later one."""

    key: Key
    sequence: int


@dataclass(frozen=True)
class Refused:
    """The answer to a state that I cannot accept, or to a Want that I cannot serve.

    `for_now`: it may succeed later, without anything new from the other side.
    """

    key: Key
    sequence: int
    reason: str
    for_now: bool = False


@dataclass(frozen=True)
class Want:
    """The answer to a state: send me what I lack for it, or for a later one.

    `haves`: commits that I have completely. `shallow`: commits whose parents I lack. `pack`, `offset`: an interrupted
    pack, and how many bytes of it are here.
    """

    key: Key
    sequence: int
    haves: tuple[str, ...] = ()
    shallow: tuple[str, ...] = ()
    pack: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Chunk:
    """A part of a pack for a state. `total`: the size of the pack in bytes. A small pack may come unrequested."""

    state: State
    pack: str
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True)
class Delivered:
    """How many bytes of packs have arrived in this connection on the separate stream."""

    count: int


@dataclass(frozen=True, order=True)
class Route:
    """How a member is reached. `steps`: 1 for directly. `conversation`: their connection's number at the last step."""

    steps: int
    conversation: int


@dataclass(frozen=True)
class Reach:
    """Whom I reach, and how. `lost`: whom I no longer reach."""

    reached: tuple[tuple[str, Route], ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class TalkPositions:
    """How far I know each member's log of comments: digests of entries. Sent first; the answer is what I lack."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True)
class TalkWords:
    """Entries of members' logs, each after its predecessor."""

    entries: tuple[TalkEntry, ...]


@dataclass(frozen=True)
class SharingPauses:
    """Which members have paused sharing, or share again."""

    pauses: tuple[MemberPause, ...]


Message = (
    Hello
    | Gossip
    | Announce
    | Held
    | Refused
    | Want
    | Chunk
    | Delivered
    | Reach
    | Receipt
    | TalkPositions
    | TalkWords
    | SharingPauses
)
