"""Records as JSON, in files and between processes, checked strictly against the types of their fields.

A path may have bytes that are not UTF-8, which are lone surrogates in a string. msgspec's own JSON refuses those, so
the JSON is Python's, and msgspec checks the types. An unknown field is ignored, as a newer Bough may have written it; a
missing one takes its default.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from bough_daemon.errors import StoreDamaged

T = TypeVar("T")


class BadRecord(ValueError):
    """The data is not JSON, or does not have the record's form."""


def record_of(said: object, kind: type[T]) -> T:
    """Return the record for parsed JSON; raise BadRecord. Bytes are base64."""
    try:
        return msgspec.convert(said, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as odd:  # the latter for a name that is a lone surrogate
        raise BadRecord(str(odd)) from odd


def parsed(data: bytes) -> object:
    """Return parsed JSON of any form; raise BadRecord."""
    try:
        said: object = json.loads(data)
    except (ValueError, RecursionError) as odd:
        raise BadRecord(str(odd)) from odd
    return said


def record_from(data: bytes, kind: type[T]) -> T:
    """Return the record in JSON; raise BadRecord."""
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
