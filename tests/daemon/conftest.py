"""Places to work at: a desk without a daemon, and a crew of two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.crew import Mate, found_crew
from tests.daemon.moves_support import Desk, desk


@pytest.fixture
def here(folder: Path) -> Iterator[Desk]:
    """A desk on a branch `main`, without a remote."""
    with desk(folder) as opened:
        yield opened


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[dict[str, Mate]]:
    """Alice and Bob, each with a clone of one remote."""
    made = found_crew(tmp_path, ("alice", "bob"))
    yield made
    for mate in made.values():
        mate.close()
