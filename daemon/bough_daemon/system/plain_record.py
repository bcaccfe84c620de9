"""The base class of plain records.

There are more than a hundred kinds of them, which every command imports. Making a dataclass takes half a millisecond;
making one of msgspec's takes a fortieth of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import fields


class PlainRecord(Struct):
    """A plain record: fields with their types, compared by value."""


@cache
def fields_of(kind: type[PlainRecord]) -> Mapping[str, Any]:
    """Return the types of the fields of a record, by name; a merge has a record for each of thousands of files."""
    return {field.name: field.type for field in fields(kind)}
