"""Limits on what is accepted from a teammate. Anything over a limit is refused with the reason, before a ref moves.

Sending and receiving have the same limits: `withheld` keeps what exceeds the limits of a path on this machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# One object. Git hosts accept no file of more than 100 MiB. Entries are counted beyond those of the same folder here.
LARGEST_FILE_BYTES = 100 << 20
LARGEST_TREE_BYTES = 64 << 20
LARGEST_TREE_ENTRIES = 200_000
LARGEST_COMMIT_BYTES = 1 << 20

# One pack. The history of Linux has 10 million objects, which unpack to about a hundred times their pack.
MOST_OBJECTS = 10_000_000
MOST_LACKING = 200_000  # objects that were not sent, and are looked for in what is shared
UNPACKED_BYTES = 1 << 30
UNPACKED_RATIO = 256

# One tree, beyond what this member's own commit has. A path must fit into PATH_MAX (1,024 bytes on macOS) together with
# the folder of the working tree; a name must fit into what every file system accepts.
MOST_ENTRIES = 1_000_000
MOST_FILE_BYTES = 32 << 30
DEEPEST = 100
LONGEST_PATH = 900
LONGEST_NAME = 255

# One check of what arrived: it starts on a thread of the daemon; if it takes more than a few milliseconds, it continues
# in a child (entries and objects each count as one; of their contents, CONTENT_BYTES do).
QUICK_EFFORT = 20_000
CONTENT_BYTES = 8192
ENTRY_BYTES = 32  # minimum size of a folder's entry, nearly always

# One connection. A pack beyond the limit is asked for later; answers beyond it replace the oldest.
MOST_ARRIVING = 16  # packs
MOST_LEAVING = 32  # packs that were asked for, in total no larger than one pack may be
MOST_ANSWERS = 4096
MOST_EARLY = 512  # states of members who are not in the team, or not yet
# A word of the roster counts as one for each of its entries. Of those that come at once most take turns with others.
WORDS_A_SECOND, WORDS_AT_ONCE = 200.0, 4000.0
WORDS_UNPACED, WORDS_IN_TURNS = 300.0, 1000.0  # without a wait; a second, after those
PACK_COST = 10  # words that a pack counts for
WANT_COST = 20  # words that a question for a pack counts for: a child makes it in about 25 ms
WANT_TURN = 0.05  # seconds between such questions of one member who asks many: half a core is left for others
ADMISSION_COST = 10  # words that an admission counts for which is not known yet: it takes 0.6 ms to see if it is valid
RECEIPT_COST = 2  # words that a receipt counts for: it takes 0.1 ms to see who signed it
WASTED_COST = 20  # words that one counts for which was of no use: honest members say few of these
ADMISSIONS_AT_ONCE = 10  # that are looked at before others have their turn

# One message. A member's name has up to 64 characters, a branch up to 200 bytes.
MOST_BUNDLED, BUNDLE_BYTES = 64, 64 << 10  # further messages in one gRPC message, and their total size
MOST_HAVES = 256
MOST_ADMISSIONS = 500  # and as many contacts; gRPC accepts messages of 4 MiB
GOSSIP_BYTES = 1 << 20
TALK_COST = 3  # messages that an entry of a log counts for: checking it takes 0.2 ms
TALK_AT_ONCE = 25  # entries that are checked before others have their turn
LONGEST_NONCE = 64
LONGEST_KEY_BYTES = 200
LONGEST_WORD = 1000  # characters of a reason, of a team's id, of a pack's

# One daemon. A connection takes a file and 0.3 MB; a stranger's is closed if it has not identified itself in time.
MOST_FILES = 65_536
MOST_CONNECTIONS, CONNECTIONS_SHARE = 512, 4  # per listener, and at most this part of all files
HANDSHAKE_SECONDS = 5.0
IDLE_SECONDS = 20.0  # seconds until a connection without calls is closed
MOST_CALLS = 4  # concurrent calls per connection
PARTING_SECONDS, PARTING_WORDS = 2.0, 8  # limits for the last connection with a former member
LARGEST_REQUEST_BYTES = 256 << 10  # of a joining member

# One disk: with less free space nothing is accepted from the network, so that saves here can still be recorded.
RESERVE_BYTES, RESERVE_SHARE = 256 << 20, 50

# One child: the memory that it may allocate, and the time that it may take for a pack of a given size.
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

    def after(self, words: float, now: float, turn: float = 0.0) -> float:
        """Count messages that arrived at `now` (seconds, monotonic); return how long to wait before the next one.

        `turn`: seconds that they take from others at least, if they are not among the first.
        """
        self._owed = max(0.0, self._owed - (now - self._last) * self.rate) + words
        self._last = now
        turn = max(turn, words / self.in_turns) if self._owed > self.unpaced else 0.0
        return max(turn, (self._owed - self.most) / self.rate)


class OutOfEffort(Exception):
    """A check would take longer than allowed."""


class Effort:
    """The effort that a check may still spend; None: as much as the budgets allow."""

    def __init__(self, left: int | None = None) -> None:
        self._left = left

    def spend(self, cost: int = 1) -> None:
        """Spend effort, or raise OutOfEffort."""
        if self._left is not None:
            self._left -= cost
            if self._left < 0:
                raise OutOfEffort
