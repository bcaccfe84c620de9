"""All targets, by name."""

from tests.fuzz import doors, files, git_objects, members, records, words
from tests.fuzz.target import TARGETS

__all__ = ["TARGETS", "doors", "files", "git_objects", "members", "records", "words"]
