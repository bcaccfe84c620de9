"""Convert between records and messages of the control socket; errors cross it with their names and facts.

A record and its message have the same fields, so one pair of functions serves all. Paths are text in a record and bytes
in a message.
"""

from __future__ import annotations

import json
import os
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

import grpc
from google.protobuf.message import Message

from bough_daemon import errors
from bough_daemon.system.plain_record import PlainRecord, fields_of

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=PlainRecord)

CHOICE = "kind"  # the oneof of a message that holds one of several records
ERROR_KEY = "bough-error-bin"
CODES: list[tuple[type[errors.BoughError], grpc.StatusCode]] = [
    (errors.BadName, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.BadTicket, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.BadUsage, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.UnknownMember, grpc.StatusCode.NOT_FOUND),
    (errors.UnknownPath, grpc.StatusCode.NOT_FOUND),
    (errors.UnknownSnapshot, grpc.StatusCode.NOT_FOUND),
    (errors.NameTaken, grpc.StatusCode.ALREADY_EXISTS),
    (errors.PeerUnreachable, grpc.StatusCode.UNAVAILABLE),
    (errors.DiskFull, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.StoreDamaged, grpc.StatusCode.DATA_LOSS),
]


def to_message(record: PlainRecord, kind: type[M]) -> M:
    """Return the message of `kind` with a record's fields."""
    message = kind()
    fill(message, record)
    return message


def fill(message: Message, record: PlainRecord) -> None:
    """Copy a record's fields into a message; where it may hold one of several records, into the one of its name."""
    if _is_choice(message):
        message = getattr(message, _choice_named(message, type(record).__name__))
    message.SetInParent()
    for name in record.__struct_fields__:
        value = getattr(record, name)
        described = message.DESCRIPTOR.fields_by_name[name]
        is_bytes = described.type == described.TYPE_BYTES
        if isinstance(value, dict):
            assert described.message_type is not None
            values = described.message_type.fields_by_name["value"]
            of_bytes = values.type == values.TYPE_BYTES
            getattr(message, name).update({key: _plain(item, of_bytes) for key, item in value.items()})
        elif isinstance(value, list):
            _fill_list(getattr(message, name), value, is_bytes)
        elif isinstance(value, PlainRecord):
            fill(getattr(message, name), value)
        elif value is not None:
            setattr(message, name, _plain(value, is_bytes))


def _fill_list(target: Any, values: list[Any], is_bytes: bool) -> None:
    for value in values:
        if isinstance(value, PlainRecord):
            fill(target.add(), value)
        else:
            target.append(_plain(value, is_bytes))


def _plain(value: Any, is_bytes: bool) -> Any:
    """Return a value as a field takes it; in a text, bytes of a path that are not UTF-8 are replaced."""
    if is_bytes:
        return os.fsencode(value)
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def from_message(message: Message, kind: type[R]) -> R:
    """Return the record of `kind` with a message's fields."""
    return kind(**{name: _field(message, name, hint) for name, hint in fields_of(kind).items()})


def from_choice(message: Message, kinds: Any) -> Any:
    """Return the record that `fill` wrote into a message for one of several; `kinds`: the union of them."""
    name = message.WhichOneof(CHOICE)
    assert name is not None
    chosen = getattr(message, name)
    by_name = {kind.__name__: kind for kind in get_args(kinds) or (kinds,)}
    return from_message(chosen, by_name[chosen.DESCRIPTOR.name])


def _is_choice(message: Message) -> bool:
    return CHOICE in message.DESCRIPTOR.oneofs_by_name


def _choice_named(message: Message, name: str) -> str:
    """Return the field whose message has a record's name."""
    return next(one.name for one in message.DESCRIPTOR.fields if one.message_type and one.message_type.name == name)


def _field(message: Message, name: str, hint: Any) -> Any:
    """Return a field's value; None for an optional one that is not set."""
    if get_origin(hint) is UnionType and NoneType in get_args(hint):
        if not message.HasField(name):
            return None
        kinds = [one for one in get_args(hint) if one is not NoneType]
        hint = kinds[0] if len(kinds) == 1 else hint
    return _taken(getattr(message, name), hint)


def _taken(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin is UnionType:
        return from_choice(value, hint)
    if origin is list:
        (inner,) = get_args(hint)
        return [_taken(item, inner) for item in value]
    if origin is dict:
        return {name: _taken(item, str) for name, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, PlainRecord):
        return from_message(value, hint)
    return os.fsdecode(value) if hint is str and isinstance(value, bytes) else value


def status_of(error: errors.BoughError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Return how an error crosses the socket: status code, message, metadata."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), grpc.StatusCode.FAILED_PRECONDITION)
    return code, error.message.encode("ascii", "replace").decode(), ((ERROR_KEY, packed(error)),)


def packed(error: errors.BoughError) -> bytes:
    """Return an error as bytes that `unpacked` reads."""
    said = {"type": type(error).__name__, "message": error.message, "facts": error.facts, "cause": _cause(error)}
    return json.dumps(said).encode()


def unpacked(data: bytes) -> errors.BoughError:
    """Return the error that `packed` wrote."""
    said = json.loads(data)
    kind = getattr(errors, said["type"], errors.BoughError)
    error: errors.BoughError = kind(said["message"], **said["facts"])
    error.__cause__ = Exception(said["cause"]) if said["cause"] else None
    return error


def _cause(error: BaseException) -> str:
    return str(error.__cause__) if error.__cause__ is not None else ""


def error_of(failure: grpc.Call) -> errors.BoughError:
    """Return the error that a failed call carries, or a DaemonFailed if it carries none of Bough's."""
    carried = dict(failure.trailing_metadata() or ()).get(ERROR_KEY)
    if isinstance(carried, bytes):
        return unpacked(carried)
    if failure.code() == grpc.StatusCode.UNAVAILABLE:
        return errors.DaemonNotRunning("the daemon does not answer", details=str(failure.details()))
    return errors.DaemonFailed(f"the daemon failed: {failure.details() or failure.code()}")
