"""The jobs that follow from peers' messages, for a caller with git, a disk and a network."""

from __future__ import annotations

from dataclasses import dataclass

from bough_daemon.store.packs import Spool
from bough_daemon.sync.messages import Want
from bough_daemon.talk.entries import TalkEntry
from bough_daemon.team.branch_state import Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.invites import Invite, TicketUse
from bough_daemon.team.pauses import MemberPause
from bough_daemon.team.purges import Purge
from bough_daemon.team.roster import Admission, Contact
from bough_daemon.team.vouches import Vouch


@dataclass(frozen=True)
class MakePack:
    """Make a pack for `peer` and call `pack_made`. `asked` is None for an unrequested one; the peer holds `since`."""

    peer: str
    state: State
    since: State | None
    asked: Want | None


@dataclass(frozen=True)
class FindHaves:
    """Find what is already here and call `ask`, to get `state` from `peer`."""

    peer: str
    state: State


@dataclass(frozen=True)
class TakePack:
    """Adopt the pack that `peer` sent for `state` and call `pack_taken`."""

    peer: str
    state: State
    spool: Spool


@dataclass(frozen=True)
class Learned:
    """The roster has changed: save it."""

    admissions: tuple[Admission, ...] = ()
    contacts: tuple[Contact, ...] = ()
    removals: tuple[Removal, ...] = ()
    vouches: tuple[Vouch, ...] = ()


@dataclass(frozen=True)
class PurgesHeard:
    """Members asked for purges, or reported outcomes: save that."""

    purges: tuple[Purge, ...]


@dataclass(frozen=True)
class TicketsHeard:
    """`peer` sent tickets and uses of them: check whether they are valid and new."""

    peer: str
    invites: tuple[Invite, ...]
    uses: tuple[TicketUse, ...]


@dataclass(frozen=True)
class PausesHeard:
    """Members have paused sharing, or share again: record it."""

    pauses: tuple[MemberPause, ...]


@dataclass(frozen=True)
class TalkHeard:
    """Members commented, replied, closed or reacted: save that."""

    entries: tuple[TalkEntry, ...]


@dataclass(frozen=True)
class Confirmed:
    """`peer` holds this state."""

    peer: str
    state: State


@dataclass(frozen=True)
class Declined:
    """`peer` refused this state of this member. `for_now`: they may accept it later, by themselves."""

    peer: str
    state: State
    reason: str
    for_now: bool


@dataclass(frozen=True)
class Behind:
    """A peer holds a newer state of this member than is known here, or one with its number: a restored backup."""

    state: State


@dataclass(frozen=True)
class LandedElsewhere:
    """A peer holds a newer landing of this member, which is fetched and then counts here: number others above it."""

    state: State


@dataclass(frozen=True)
class Signed:
    """`peer` holds a state of this member that is not the newest: call `keep_aside` if its tip is not in the store."""

    peer: str
    state: State


@dataclass(frozen=True)
class Doubled:
    """Something arrived that was signed with my key at `time` (milliseconds since the epoch), and not here."""

    time: int


@dataclass(frozen=True)
class NotTaken:
    """Why a pack was refused. `for_now`: for a reason outside the pack, which may vanish."""

    reason: str
    for_now: bool = False


@dataclass(frozen=True)
class AskAgain:
    """Call `retry` later: a state could not be received, for a reason that may be gone by then."""

    key: Key


@dataclass(frozen=True)
class OfferAgain:
    """Call `offer_again` later: a pack could not be sent now."""

    peer: str
    key: Key


Job = (
    MakePack
    | FindHaves
    | TakePack
    | Learned
    | PurgesHeard
    | TicketsHeard
    | TalkHeard
    | PausesHeard
    | Confirmed
    | Declined
    | Behind
    | LandedElsewhere
    | Signed
    | Doubled
    | AskAgain
    | OfferAgain
)
