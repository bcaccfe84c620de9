"""Everything that parses the bytes of a peer or of a repository gives a value or a refusal.

The long form is `python -m tests.fuzz --seconds 3600 [TARGET…]`.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.engine import Mutator, TooSlow, Watch, in_time
from tests.fuzz.target import Drawn
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_get_more_than_a_value_or_a_refusal(name: str, folder: Path) -> None:
    with TARGETS[name].opened(folder) as trial:
        watch = Watch(TARGETS[name], trial)
        for data in islice(Mutator(random.Random(1), trial.seeds, trial.words), TARGETS[name].short):
            try:
                watch.attempt(data)
            except BaseException as found:
                found.add_note(f"target {name}, input {data!r}")
                raise
    assert watch.taken, "nothing was taken: the target tries nothing but the first check"


def test_what_takes_too_long_is_a_finding() -> None:
    with pytest.raises(TooSlow), in_time(0.05):
        while True:
            pass


def test_chance_that_bytes_decide_ends_with_the_bytes() -> None:
    drawn = Drawn(bytes(range(256)))
    assert len({drawn.randrange(100) for _ in range(20)}) > 10
    drawn.rest()
    assert drawn.is_used_up and drawn.choice("abc") == "a" and drawn.random() == 0.0
