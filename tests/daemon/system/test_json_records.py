"""Records in files: any text that a path may have, and nothing that has not the types of the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bough_daemon.errors import StoreDamaged
from bough_daemon.system.json_records import as_json, read_record
from hypothesis import given
from hypothesis import strategies as st


@dataclass(frozen=True)
class Kept:
    """A record as files have them."""

    number: int
    at: float = 0.0
    key: bytes = b""
    paths: tuple[str, ...] = ()
    moved: dict[str, str | None] = field(default_factory=dict)


texts = st.text(st.characters(codec=None), max_size=5)  # lone surrogates among them
records = st.builds(
    Kept,
    st.integers(),
    st.floats(allow_nan=False),
    st.binary(max_size=9),
    st.lists(texts, max_size=3).map(tuple),
    st.dictionaries(texts, st.none() | texts, max_size=3),
)


@given(record=records)
def test_a_record_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, record: Kept) -> None:
    path = tmp_path_factory.mktemp("r") / "kept.json"
    path.write_bytes(as_json(record))
    assert path.read_bytes().isascii()
    assert read_record(str(path), Kept) == record


def test_what_an_older_or_a_newer_bough_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b'{"number": 1, "of a later version": [true]}')
    assert read_record(str(path), Kept) == Kept(1)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b"1" * 5000),
        *(b"{}", b'{"number": "1"}', b'{"number": true}', b'{"number": 1.5}', b'{"number": 1, "key": "?"}'),
        *(b'{"number": 1, "paths": "ab"}', b'{"number": 1, "moved": {"a": 1}}'),
        *(b'{"number": 1, "\\ud800": 1}', b'{"number": 1, "moved": {"a": {"\\ud800": 1}}}'),
    ],
)
def test_damage_is_told_with_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="is damaged") as told:
        read_record(str(path), Kept)
    assert told.value.facts == {"path": str(path)}
