"""Large packs fill a line, and leave room on it for what is small."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import pytest
from bough_daemon.sync.window import FIRST_BYTES, MOST_BYTES, QUEUE_SECONDS, SendWindow


@dataclass
class SlowLine:
    """A line with a buffer without end. `rate`: bytes a second; `delay`: seconds one way."""

    rate: float
    delay: float
    window: SendWindow = field(default_factory=SendWindow)
    now: float = 100.0
    carried: int = 0
    waiting: list[float] = field(default_factory=list)  # seconds that each part waits in front of the line
    free: float = 0.0
    answers: list[tuple[float, int]] = field(default_factory=list)

    def carry(self, seconds: float) -> None:
        """Send without end for some time, acknowledging each part."""
        end = self.now + seconds
        while self.now < end:
            while self.window.has_room(self.now):
                size = self.window.chunk_bytes
                self.window.sent(size, self.now)
                self.waiting.append(max(0.0, self.free - self.now))
                self.free = max(self.free, self.now) + size / self.rate
                self.carried += size
                heapq.heappush(self.answers, (self.free + 2 * self.delay, self.carried))
            self.now, arrived = heapq.heappop(self.answers)
            self.window.arrived(arrived, self.now)


@pytest.mark.parametrize(
    ("rate", "delay"),
    [(94_000, 0.15), (1e6, 0.02), (1e7, 0.05), (1e9, 0.0002)],
    ids=["750 kbit/s and 300 ms", "8 Mbit/s", "80 Mbit/s and 100 ms", "loopback"],
)
def test_a_line_is_filled_and_little_waits_in_front_of_it(rate: float, delay: float) -> None:
    line = SlowLine(rate, delay)
    line.carry(5.0)
    before, line.waiting = line.carried, []
    line.carry(60.0)
    assert line.carried - before > 0.9 * rate * 60
    assert max(line.waiting) < max(2 * QUEUE_SECONDS, 2 * FIRST_BYTES / rate)


def test_a_line_that_becomes_slower_is_given_less_after_a_moment() -> None:
    line = SlowLine(1e7, 0.05)
    line.carry(5.0)
    line.rate = 1e5
    line.carry(60.0)
    line.waiting = []
    line.carry(60.0)
    assert max(line.waiting) < 3 * QUEUE_SECONDS


def test_what_a_peer_says_of_more_than_was_sent_counts_for_nothing() -> None:
    window = SendWindow()
    window.sent(1000, 1.0)
    window.arrived(1 << 60, 1.0001)
    assert window.size == FIRST_BYTES
    window.arrived(1000, 2.0)
    window.arrived(500, 3.0)
    window.sent(MOST_BYTES, 4.0)
    assert not window.has_room(4.0)
    for number in range(1000):
        window.arrived(1000 + number, 4.0 + number / 1e6)
    assert window.size <= MOST_BYTES


def test_a_peer_who_acknowledges_nothing_is_sent_a_small_part_only() -> None:
    window, sent = SendWindow(), 0
    while window.has_room(1000.0 + sent):
        window.sent(window.chunk_bytes, 1000.0 + sent)
        sent += window.chunk_bytes
    assert sent <= FIRST_BYTES + window.chunk_bytes
