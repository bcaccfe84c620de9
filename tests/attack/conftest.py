"""The fixtures of those who are attacked."""

from tests.cli.conftest import alice, members
from tests.daemon.conftest import here

__all__ = ["alice", "here", "members"]
