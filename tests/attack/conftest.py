"""The fixtures of those who are attacked."""

from tests.cli.conftest import members

__all__ = ["members"]
