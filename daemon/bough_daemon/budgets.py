"""How much is taken from a teammate. What is over a bound is refused with the reason, before a reference moves.

What a member may send and what a member takes are the same: `withheld` keeps at home what is over the bounds of a path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# One object. Git hosts take no file of more than 100 MiB. The entries are those beyond the same folder of one's own.
LARGEST_FILE_BYTES = 100 << 20
LARGEST_TREE_BYTES = 64 << 20
LARGEST_TREE_ENTRIES = 200_000
LARGEST_COMMIT_BYTES = 1 << 20

# One pack. The history of Linux has 10 million objects, which unpack to about a hundred times their pack.
MOST_OBJECTS = 10_000_000
MOST_LACKING = 200_000  # that were not sent, and are looked for in what is shared
UNPACKED_BYTES = 1 << 30
UNPACKED_RATIO = 256

# One tree, beyond what this member's own commit has. A path must fit into PATH_MAX (1,024 bytes on macOS) with the
# folder of the working tree in front; a name into what every file system takes.
MOST_ENTRIES = 1_000_000
MOST_FILE_BYTES = 32 << 30
DEEPEST = 100
LONGEST_PATH = 900
LONGEST_NAME = 255

# One look at what came: it begins on a thread of the daemon; what takes more than a few milliseconds goes on in a child
# (entries and objects, each of which counts as one; of their contents, CONTENT_BYTES do).
QUICK_EFFORT = 20_000
CONTENT_BYTES = 8192
ENTRY_BYTES = 32  # that an entry of a folder has at least, nearly always

# One conversation. A pack that has no place is asked for when there is one; answers beyond these push out the oldest.
MOST_ARRIVING = 16  # packs
MOST_LEAVING = 32  # packs that were asked for, and not more bytes than one pack may have
MOST_ANSWERS = 4096
# A word of the roster counts as one for each of its entries. Of those that come at once most take turns with others.
WORDS_A_SECOND, WORDS_AT_ONCE = 200.0, 4000.0
WORDS_UNPACED, WORDS_IN_TURNS = 300.0, 1000.0  # without a wait; a second, after those
PACK_COST = 10  # words that a pack counts for
WANT_COST = 20  # words that a question for a pack counts for: a child makes it in about 25 ms
ADMISSION_COST = 10  # words that an admission counts for which is not known yet: it takes 0.6 ms to see if it is valid
RECEIPT_COST = 2  # words that a receipt counts for: it takes 0.1 ms to see who signed it
WASTED_COST = 20  # words that one counts for which was of no use: honest members say few of these
ADMISSIONS_AT_ONCE = 10  # that are looked at before others have their turn

# One word. A member's name has 64 letters, a branch 200 bytes.
MOST_HAVES = 256
MOST_ADMISSIONS = 500  # and as many contacts; gRPC takes messages of 4 MiB
GOSSIP_BYTES = 1 << 20
TALK_COST = 3  # words that an entry of a log counts for: it takes 0.2 ms to see if it is valid
TALK_AT_ONCE = 25  # entries that are looked at before others have their turn
LONGEST_NONCE = 64
LONGEST_KEY_BYTES = 200
LONGEST_WORD = 1000  # characters of a reason, of a team's id, of a pack's

# One daemon. A connection takes a file and 0.3 MB; a stranger's is closed when it has not said who it is by then.
MOST_FILES = 65_536
MOST_CONNECTIONS, CONNECTIONS_SHARE = 512, 4  # of one listener, and at most this part of all files
HANDSHAKE_SECONDS = 5.0
IDLE_SECONDS = 20.0  # that a connection without a conversation is kept
MOST_CALLS = 4  # at once, of one connection
PARTING_SECONDS, PARTING_WORDS = 2.0, 8  # of the last conversation with a former member
LARGEST_REQUEST_BYTES = 256 << 10  # of a joining member

# One disk: below so much room nothing is taken from the network, so that what is saved here can still be recorded.
RESERVE_BYTES, RESERVE_SHARE = 256 << 20, 50

# One child: what it may allocate, and how long it may take for a pack of some size.
CHILD_MEMORY_BYTES = 3 << 30
WORKER_MEMORY_BYTES = 2 << 30
CHILD_SECONDS = 60.0
CHILD_BYTES_A_SECOND = 1 << 20


def child_seconds(size: int) -> float:
    """Return how long a child may work on a pack of `size` bytes."""
    return CHILD_SECONDS + size / CHILD_BYTES_A_SECOND


@dataclass
class Pace:
    """Decide how long to wait before the next word of a talkative peer: so their words cost a share of this machine.

    `rate`: words a second that go on without end. `most`: words that may come at once, of which the first `unpaced`
    wait for nothing and the others come at `in_turns` a second: a loop that is never idle keeps all threads waiting.
    """

    rate: float
    most: float
    unpaced: float = math.inf
    in_turns: float = math.inf
    _owed: float = 0.0
    _last: float = 0.0

    def after(self, words: float, now: float) -> float:
        """Note words that came at `now` (seconds, monotonic); return how long to wait before the next one."""
        self._owed = max(0.0, self._owed - (now - self._last) * self.rate) + words
        self._last = now
        turn = words / self.in_turns if self._owed > self.unpaced else 0.0
        return max(turn, (self._owed - self.most) / self.rate)


class OutOfEffort(Exception):
    """A look would take longer than it may."""


class Effort:
    """The work that a check may still do; None: as much as the budgets allow."""

    def __init__(self, left: int | None = None) -> None:
        self._left = left

    def spend(self, cost: int = 1) -> None:
        """Note that something was looked at, or raise OutOfEffort."""
        if self._left is not None:
            self._left -= cost
            if self._left < 0:
                raise OutOfEffort
