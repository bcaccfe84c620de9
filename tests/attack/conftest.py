"""The fixtures of those who are attacked."""

from tests.cli.conftest import alice, members

__all__ = ["alice", "members"]
