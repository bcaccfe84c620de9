"""Records as JSON, in files and between processes: read by the types of their fields, and by nothing looser.

A path may have bytes that are not UTF-8, which are lone surrogates in a text. msgspec's own JSON refuses those, so the
JSON is Python's, and the types are checked by msgspec. A field that a record does not have is overlooked, as a newer
Bough may have written it; one that is absent takes its default.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from bough_daemon.errors import StoreDamaged

T = TypeVar("T")


class BadRecord(ValueError):
    """What should be a record is not JSON, or has not the form of the record; nothing of it was taken."""


def record_of(said: object, kind: type[T]) -> T:
    """Return the record that parsed JSON has; raise BadRecord. Bytes are base64."""
    try:
        return msgspec.convert(said, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as odd:  # the latter for a name that is a lone surrogate
        raise BadRecord(str(odd)) from odd


def parsed(data: bytes) -> object:
    """Return what JSON says, of whatever form; raise BadRecord."""
    try:
        said: object = json.loads(data)
    except (ValueError, RecursionError) as odd:
        raise BadRecord(str(odd)) from odd
    return said


def record_from(data: bytes, kind: type[T]) -> T:
    """Return the record that JSON has; raise BadRecord."""
    return record_of(parsed(data), kind)


def read_record(path: str, kind: type[T]) -> T:
    """Return the record in a file; raise StoreDamaged, with the path, or FileNotFoundError."""
    with open(path, "rb") as source:
        data = source.read()
    try:
        return record_from(data, kind)
    except BadRecord as damage:
        raise StoreDamaged(f"{path} is damaged: {damage}", path=path) from damage


def as_json(record: object, indent: int | None = None) -> bytes:
    """Return a record, or records in lists and dictionaries, as JSON in ASCII."""
    said: Any = msgspec.to_builtins(record)
    return json.dumps(said, indent=indent).encode()
