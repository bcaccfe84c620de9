"""Every folder under `cases` is one merge; see the README there."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_merge import merge_file

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/base*"))


def _version(folder: Path, name: str) -> bytes | None:
    found = [path for path in folder.glob(f"{name}*") if path.stem == name or path.name == name]
    return found[0].read_bytes() if found else None


def _path(folder: Path) -> str:
    named = folder / "path"
    if named.exists():
        return named.read_text().strip()
    return next(path.name for path in folder.glob("base*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "/".join(folder.parts[-2:]))
def test_the_case_merges_as_written_down(folder: Path) -> None:
    base, ours, theirs = (_version(folder, name) for name in ("base", "ours", "theirs"))
    assert ours is not None and theirs is not None
    merged = merge_file(base, ours, theirs, _path(folder))
    expected = _version(folder, "expected")
    assert expected is not None
    assert merged.content.decode() == expected.decode()
    assert merged.clean == (b"<<<<<<< ours" not in expected)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "/".join(folder.parts[-2:]))
def test_a_weakness_is_still_one(folder: Path) -> None:
    ideal = _version(folder, "ideal")
    if ideal is not None:
        assert ideal != _version(folder, "expected"), "today's result is ideal: drop `ideal`"
