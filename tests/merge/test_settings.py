"""What a repository may say in the `[merge]` table of its `.bough.toml`."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path

import pytest
from bough_merge import MergeSettings, SettingsError, merge_file

BASE = b"def a():\n    return 1\n"
OURS = BASE + b"\n\ndef b():\n    return 2\n"
THEIRS = BASE + b"\n\ndef c():\n    return 3\n"


def _settings(text: str) -> MergeSettings:
    return MergeSettings.parsed(tomllib.loads(text)["merge"])


def test_order_means_something_where_a_team_says_so() -> None:
    settings = _settings('[merge]\nordered = ["legacy/*"]\n')
    assert not merge_file(BASE, OURS, THEIRS, "legacy/a.py", settings=settings).clean
    assert merge_file(BASE, OURS, THEIRS, "new/a.py", settings=settings).clean


def test_a_team_can_add_a_language_like_another() -> None:
    settings = _settings('[merge.languages.recipe]\nlike = "python"\npaths = [".recipe"]\n')
    assert not merge_file(BASE, OURS, THEIRS, "a.recipe").clean
    assert merge_file(BASE, OURS, THEIRS, "a.recipe", settings=settings).clean


def test_a_team_can_free_an_order() -> None:
    settings = _settings(
        '[merge.languages.python]\nlike = "python"\npaths = [".py"]\n'
        'free = [{ group = "calls", kind = "call", container = "module" }]\n'
    )
    base, ours, theirs = b"start()\n", b"start()\na()\n", b"start()\nb()\n"
    assert not merge_file(base, ours, theirs, "a.py").clean
    assert merge_file(base, ours, theirs, "a.py", settings=settings).content == b"start()\na()\nb()\n"


@pytest.mark.parametrize(
    "table",
    [
        {"colour": 1},
        {"ordered": [1]},
        {"limit_bytes": "many"},
        {"languages": 1},
        {"languages": {"x": {"like": "nothing"}}},
        {"languages": {"x": {"colour": 1}}},
        {"languages": {"x": {"paths": 1}}},
        {"languages": {"x": {"names": [1]}}},
        {"languages": {"x": {"free": [{"group": "a", "kind": "[a"}]}}},
        {"languages": {"x": {"free": [{"kind": 1}]}}},
        {"languages": {"x": {"told": [["a", "("]]}}},
        {"languages": {"x": {"marks": {"a": "*"}}}},
        {"languages": {"x": {"related": "("}}},
        {"languages": {"x": {"grammar": "pyth0n"}}},
        {"languages": {"x": {"like": "python", "grammar": "../bindings/python"}}},
        {"languages": {"python2": {"paths": [".py2"]}}},
    ],
)
def test_what_means_nothing_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        MergeSettings.parsed(table)


def test_no_library_is_loaded_from_where_a_grammar_leads(tmp_path: Path) -> None:
    loaded = tmp_path / "evil.so"
    loaded.write_bytes(b"would run")
    with pytest.raises(SettingsError, match="no grammar called"):
        _settings(f'[merge.languages.x]\ngrammar = "{tmp_path}/evil"\npaths = [".x"]\n')
    settings = _settings('[merge.languages.x]\ngrammar = "python"\npaths = [".x"]\n')
    assert merge_file(b"a = 1\n", b"a = 1\n\nb = 1\n", b"a = 2\n", "a.x", settings=settings).clean


def test_settings_and_results_travel_to_a_worker() -> None:
    settings = _settings('[merge.languages.recipe]\nlike = "python"\npaths = [".recipe"]\n')
    merged = merge_file(BASE, OURS, THEIRS, "a.recipe", settings=pickle.loads(pickle.dumps(settings)))
    assert pickle.loads(pickle.dumps(merged)) == merged
