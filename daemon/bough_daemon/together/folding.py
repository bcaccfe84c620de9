"""What folding keeps about one working tree, and what it needs from the repository around it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bough_daemon.merging.merge_input import Both
from bough_daemon.recording.recorder import Recorder
from bough_daemon.system.supervisor import Pause
from bough_daemon.together.folder import WorktreeFolder
from bough_daemon.together.guest_rules import GuestRules
from bough_daemon.together.stay_fold import StayFold
from bough_daemon.together.stays import Stays
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.transaction import journal_of


@dataclass(frozen=True)
class Surroundings:
    """What folding needs from the repository that it is in.

    `live`: a working tree as commands see it. `tips`: the newest shared tip of every live branch here, by name.
    `merge`: the merge engine; `warm_up` loads it in the background, which takes seconds on a busy machine.
    `guests`: whose edits are folded here.
    """

    live: Callable[[Recorder], LiveWorktree]
    tips: Callable[[], Mapping[str, str]]
    merge: Both
    warm_up: Callable[[], None]
    guests: GuestRules


@dataclass(frozen=True)
class JournalState:
    """What the journal says about folding: whether a command was interrupted, and whether a branch is followed."""

    interrupted: bool = False
    follows: bool = False


@dataclass(frozen=True)
class SolidSearch:
    """The search for the state of a branch that its member marked. `tip`: where it was searched last, in vain.

    `found`: that state, else None, and `why`. It is searched once for each mark, not for each save of that member.
    """

    branch: str = ""
    mark: str = ""
    tip: str = ""
    found: str | None = None
    why: str = ""


@dataclass
class Folding:
    """One working tree whose branch is folded.

    `wake` is set when something happened; `moved` too, for waiting commands. `held`: why nothing is folded from a
    branch for now. `looked_at`: the tips that were folded last, and the moment (monotonic) of the next fold if the
    files still differ; `apart`: how long to wait for that. `warm`: the merge engine was loaded for it. `solid`: the
    last search in a branch that is followed by its solid states.
    """

    session: Recorder
    folder: WorktreeFolder
    stays: Stays
    stay: StayFold
    apart: Pause
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[str, str] = field(default_factory=dict)
    warm: bool = False
    solid: SolidSearch = SolidSearch()
    looked_at: tuple[object, float] = (None, 0.0)
    task: asyncio.Task[None] | None = None
    retry: asyncio.TimerHandle | None = None
    _journal_read: tuple[object, JournalState] = (None, JournalState())  # the file's state, and what it said then

    def try_again(self, wait: float) -> None:
        """Wake the loop of this working tree after `wait` seconds, or earlier if that is already planned."""
        loop = asyncio.get_running_loop()
        if self.retry is None or not loop.time() < self.retry.when() <= loop.time() + wait:
            self.retry = loop.call_later(wait, self.wake.set)

    def journal(self) -> JournalState:
        """Return what the journal says, reading it only if it has changed. On the store's thread."""
        journal = journal_of(self.folder.live)
        try:
            status = os.stat(journal.path)
        except FileNotFoundError:
            return JournalState()
        state = status.st_mtime_ns, status.st_size, status.st_ino
        if self._journal_read[0] != state:
            hop = journal.hop()
            said = JournalState(journal.interrupted() is not None, hop is not None and hop.follows)
            self._journal_read = state, said
        return self._journal_read[1]
