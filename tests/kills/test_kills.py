"""The short form of the kills; `python -m tests.kills --rounds 5000 --daemons 200` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.lengthy
def test_nothing_is_lost_by_kills_and_everything_goes_on() -> None:
    words = [sys.executable, "-m", "tests.kills", "--rounds=5", "--daemons=1", "--seed=1"]  # it forks: without threads
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 lost" in done.stdout, done.stderr
