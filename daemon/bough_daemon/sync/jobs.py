"""What has to be done about what peers say, by someone who has git, a disk and a network."""

from __future__ import annotations

from dataclasses import dataclass

from bough_daemon.store.packs import Spool
from bough_daemon.sync.messages import Want
from bough_daemon.talk.entries import TalkEntry
from bough_daemon.team.branch_state import Key, State
from bough_daemon.team.departures import Removal
from bough_daemon.team.invites import Invite, TicketUse
from bough_daemon.team.purges import Purge
from bough_daemon.team.roster import Admission, Contact


@dataclass(frozen=True)
class MakePack:
    """Make a pack for `peer` and call `pack_made`. `asked` is None for one that goes unasked; it holds `since`."""

    peer: str
    state: State
    since: State | None
    asked: Want | None


@dataclass(frozen=True)
class FindHaves:
    """Find what is here already and call `ask`, to get `state` from `peer`."""

    peer: str
    state: State


@dataclass(frozen=True)
class TakePack:
    """Take the pack that `peer` sent for `state` into the store and call `pack_taken`."""

    peer: str
    state: State
    spool: Spool


@dataclass(frozen=True)
class Learned:
    """The roster has changed: write it down."""

    admissions: tuple[Admission, ...] = ()
    contacts: tuple[Contact, ...] = ()
    removals: tuple[Removal, ...] = ()


@dataclass(frozen=True)
class PurgesHeard:
    """Members asked for purges, or said what came of some: write it down."""

    purges: tuple[Purge, ...]


@dataclass(frozen=True)
class TicketsHeard:
    """`peer` told of tickets and of who came in with some: see whether it is valid and new."""

    peer: str
    invites: tuple[Invite, ...]
    uses: tuple[TicketUse, ...]


@dataclass(frozen=True)
class PauseHeard:
    """`peer` has paused sharing, `since` (milliseconds since the epoch); 0: they share again."""

    peer: str
    since: int


@dataclass(frozen=True)
class TalkHeard:
    """Members commented, replied, closed or reacted: write it down."""

    entries: tuple[TalkEntry, ...]


@dataclass(frozen=True)
class Confirmed:
    """`peer` holds this state."""

    peer: str
    state: State


@dataclass(frozen=True)
class Declined:
    """`peer` did not take this state of this member. `for_now`: it may take it later, by itself."""

    peer: str
    state: State
    reason: str
    for_now: bool


@dataclass(frozen=True)
class Behind:
    """A peer holds a state of this member that is newer than known here, or has its number: a restored backup."""

    state: State


@dataclass(frozen=True)
class Signed:
    """`peer` holds a state of this member that is not the newest: call `keep_aside` if the store lacks its tip."""

    peer: str
    state: State


@dataclass(frozen=True)
class Doubled:
    """Something came at `time` (milliseconds since the epoch) that was signed with my key, and not here."""

    time: int


@dataclass(frozen=True)
class NotTaken:
    """Why a pack was not taken. `for_now`: what is in the way is not the pack's, and may have gone by and by."""

    reason: str
    for_now: bool = False


@dataclass(frozen=True)
class AskAgain:
    """Call `retry` in a while: a state could not be taken, for a reason that may have gone by then."""

    key: Key


@dataclass(frozen=True)
class OfferAgain:
    """Call `offer_again` in a while: a pack could not be sent now."""

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
    | PauseHeard
    | Confirmed
    | Declined
    | Behind
    | Signed
    | Doubled
    | AskAgain
    | OfferAgain
)
