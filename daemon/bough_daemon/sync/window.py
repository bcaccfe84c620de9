"""How much of large packs is on its way to a peer at a time: enough to fill the line, and little that waits.

What was given to a connection can no longer be overtaken: on a slow line a small save would wait behind all of it, in
buffers of this system and of every router. So no more is given than the line carries in its round trip and a moment on
top, by what the peer says of what has arrived (the model of BBR, draft-ietf-ccwg-bbr: the highest rate seen lately, the
shortest round trip).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

QUEUE_SECONDS = 0.2  # of what the line carries that may wait in front of it: so long does a small save wait at most
FIRST_BYTES = 32 << 10  # on the way while the line is not known yet, and at least
MOST_BYTES = 8 << 20  # that a connection has to hold in memory
RATE_SECONDS = 3.0  # for which the highest rate counts
ROUND_TRIP_SECONDS = 30.0  # after which the shortest round trip is measured on a line that was let run empty
SMALLEST_CHUNK, LARGEST_CHUNK = 4 << 10, 512 << 10
CHUNKS = 4  # that a full window has


class _Sent(NamedTuple):
    """A part that is on its way: up to where, since when, and how much had arrived then."""

    end: int
    at: float
    arrived: int


@dataclass
class SendWindow:
    """What was sent and has arrived, and what follows from that. All times are monotonic seconds."""

    _sent: int = 0
    _arrived: int = 0
    _on_way: deque[_Sent] = field(default_factory=deque)
    _rates: deque[tuple[float, float]] = field(default_factory=deque)  # when, bytes a second: falling
    _round_trip: float = math.inf
    _measured: float = -math.inf
    _is_empty: bool = False  # what is sent next finds an empty line, and measures it

    @property
    def size(self) -> int:
        """How many bytes may be on their way."""
        if not self._rates:
            return FIRST_BYTES
        carried = self._rates[0][1] * (self._round_trip + QUEUE_SECONDS)
        return int(min(max(carried, FIRST_BYTES), MOST_BYTES))

    @property
    def chunk_bytes(self) -> int:
        """How large a part may be, so that the next one can be another pack's."""
        return min(max(self.size // CHUNKS, SMALLEST_CHUNK), LARGEST_CHUNK)

    def has_room(self, now: float) -> bool:
        """Return whether another part may be sent."""
        if self._round_trip < math.inf and now - self._measured > ROUND_TRIP_SECONDS:
            if self._on_way:
                return False  # what waits in front of the line would count as the line's own
            self._measured, self._is_empty = now, True
        return self._sent - self._arrived < self.size or not self._on_way

    def sent(self, size: int, now: float) -> None:
        """Note a part that was sent."""
        self._sent += size
        self._on_way.append(_Sent(self._sent, now, self._arrived))

    def arrived(self, total: int, now: float) -> None:
        """Note that the peer has so much of everything that was sent; what cannot be counts for nothing."""
        if not self._arrived < total <= self._sent:
            return
        self._arrived, last = total, None
        while self._on_way and self._on_way[0].end <= total:
            last = self._on_way.popleft()
        if last is None:
            return
        took = max(now - last.at, 1e-4)
        if took <= self._round_trip or self._is_empty:
            self._round_trip, self._measured, self._is_empty = took, now, False
        rate = (total - last.arrived) / took
        while self._rates and self._rates[-1][1] <= rate:
            self._rates.pop()
        self._rates.append((now, rate))
        while now - self._rates[0][0] > RATE_SECONDS:
            self._rates.popleft()
