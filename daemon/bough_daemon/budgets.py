"""How much is taken from a teammate. What is over a bound is refused with the reason, before a reference moves.

What a member may send and what a member takes are the same: `withheld` keeps at home what is over the bounds of a path.
"""

from __future__ import annotations

# One object. Git hosts take no file of more than 100 MiB. The entries are those beyond the same folder of one's own.
LARGEST_FILE_BYTES = 100 << 20
LARGEST_TREE_BYTES = 64 << 20
LARGEST_TREE_ENTRIES = 200_000
LARGEST_COMMIT_BYTES = 1 << 20

# One pack. The history of Linux has 10 million objects, which unpack to about a hundred times their pack.
MOST_OBJECTS = 10_000_000
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

# One child: what it may allocate, and how long it may take for a pack of some size.
CHILD_MEMORY_BYTES = 3 << 30
CHILD_SECONDS = 60.0
CHILD_BYTES_A_SECOND = 1 << 20


def child_seconds(size: int) -> float:
    """Return how long a child may work on a pack of `size` bytes."""
    return CHILD_SECONDS + size / CHILD_BYTES_A_SECOND


class OutOfEffort(Exception):
    """A look would take longer than it may."""


class Effort:
    """How much a look may still do; None: what the budgets allow."""

    def __init__(self, left: int | None = None) -> None:
        self._left = left

    def spend(self, cost: int = 1) -> None:
        """Note that something was looked at, or raise OutOfEffort."""
        if self._left is not None:
            self._left -= cost
            if self._left < 0:
                raise OutOfEffort
