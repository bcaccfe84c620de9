"""The user's settings."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from bough_daemon.api.settings import KEYS, Value, change, parse, read_settings
from bough_daemon.errors import BadSetting, BadUsage
from bough_daemon.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"), str(tmp_path))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("completion.enabled", "OFF", False),
        ("completion.enabled", "1", True),
        ("completion.threads", "12", 12),
        ("completion.memory", "0", 0),
        ("completion.remote", "http://gpu.local:8000/v1", "http://gpu.local:8000/v1"),
        ("completion.remote", "", ""),
        ("completion.remote_key_file", "~/key", "~/key"),
    ],
)
def test_a_text_is_read_as_its_key_wants_it(home: Home, key: str, text: str, value: Value) -> None:
    change(home, key, parse(key, text))
    assert read_settings(home).values == {key: value}


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("completion", "9", "there is no setting completion"),
        ("completion.device", "tpu", "it must be one of auto, cpu, cuda"),
        ("completion.threads", "0", "it must be between 1 and 1024"),
        ("completion.threads", "two", "it must be a number"),
        ("completion.memory", "100", "at least 256"),
        ("completion.enabled", "maybe", "it must be true or false"),
        ("completion.http_port", "80", "it must be 0, or between 1024 and 65535"),
        ("completion.remote", "ftp://host", "it must be a URL like"),
        ("completion.remote", "https://me:secret@host/v1", "it must be a URL like"),
        ("completion.remote", "https://host:port/v1", "it must be a URL like"),
        ("completion.remote_key_file", "key", "it must be an absolute path"),
        ("completion.model", "a\x1b[2Jb", "unprintable characters"),
    ],
)
def test_a_text_that_means_nothing_is_refused(key: str, text: str, said: str) -> None:
    with pytest.raises(BadUsage, match=said):
        parse(key, text)


@pytest.mark.parametrize(
    "text",
    [
        b"[completion\n",
        b"\xff\xfe",
        b"loose = 1\n",
        b"[completion]\nspeed = 9\n",
        b"[completion]\nthreads = true\n",
        b"[completion]\nthreads = 0\n",
        b"[completion.model]\nname = 1\n",
    ],
)
def test_a_damaged_file_is_an_error_that_names_it_and_is_not_overwritten(home: Home, text: bytes) -> None:
    home.make()
    path = Path(home.path("config.toml"))
    path.write_bytes(text)
    with pytest.raises(BadSetting, match=str(path)):
        read_settings(home)
    with pytest.raises(BadSetting):
        change(home, "completion.threads", 1)
    assert path.read_bytes() == text


def test_comments_stay_and_a_linked_file_stays_a_link(home: Home, tmp_path: Path) -> None:
    home.make()
    (tmp_path / "kept.toml").write_text("# mine\n[completion] # all of it\nthreads = 3 # enough\n")
    Path(home.path("config.toml")).symlink_to(tmp_path / "kept.toml")
    change(home, "completion.device", "cpu")
    change(home, "completion.threads", 1)
    text = (tmp_path / "kept.toml").read_text()
    assert text == '# mine\n[completion] # all of it\nthreads = 1 # enough\ndevice = "cpu"\n'
    assert Path(home.path("config.toml")).is_symlink()


def test_taking_out_what_is_not_set_changes_nothing(home: Home) -> None:
    change(home, "completion.threads", None)
    assert read_settings(home).values == {}
    change(home, "completion.threads", 1)
    change(home, "completion.threads", None)
    assert read_settings(home).values == {}


def test_two_who_write_at_once_both_get_their_way(home: Home) -> None:
    wanted: dict[str, Value] = {"completion.threads": 7, "completion.device": "cpu", "completion.enabled": False}
    writers = [threading.Thread(target=change, args=(home, key, value)) for key, value in wanted.items()]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert read_settings(home).values == wanted


def test_every_default_is_a_value_that_may_be_set() -> None:
    for key, known in KEYS.items():
        text = str(known.default).lower() if isinstance(known.default, bool) else str(known.default)
        assert parse(key, text) == known.default
