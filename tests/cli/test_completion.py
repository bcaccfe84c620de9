"""Settings, the HTTP door and what became of suggestions, as a user has them on the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Member, until

LINES = b"window.open_with(title)\n" * 40
REST = "en_with(title)"
PATIENCE = 30.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(port: int, token: str, path: str, content: object, **headers: str) -> tuple[int, Any]:
    """Send a request; return its status and what the answer says."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        named = {"Authorization": f"Bearer {token}"} | headers
        connection.request("POST", path, json.dumps(content), named)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def infill(port: int, token: str, **headers: str) -> tuple[int, Any]:
    """Ask as llama.vim does."""
    content = {"input_prefix": "", "prompt": "window.op", "input_suffix": "\n"}
    return send(port, token, "/infill", content, **headers)


@pytest.fixture
def live(members: Callable[..., Member]) -> Member:
    """A member whose repository is live and has lines to learn."""
    alice = members("alice", {"a.py": LINES, "b.py": b"window.op\n"})
    alice.bough("up")
    return alice


def test_settings_are_set_shown_and_unset_and_comments_stay(alice: Member) -> None:
    config = alice.home / "config.toml"
    assert alice.bough("config", "get", "completion.device") == "auto"
    assert alice.bough("config", "set", "completion.device", "cpu") == "cpu"
    config.write_text("# mine\n" + config.read_text() + "threads = 3 # enough\n")
    alice.bough("config", "set", "completion.enabled", "off")
    assert "# mine\n" in config.read_text()
    assert "# enough" in config.read_text()
    assert alice.told("config", "get", "completion.threads") == {"key": "completion.threads", "value": 3}
    listed = [json.loads(line) for line in alice.bough("config", "list", "--json").splitlines()]
    assert {one["key"]: one["value"] for one in listed if one["set"]} == {
        "completion.device": "cpu",
        "completion.threads": 3,
        "completion.enabled": False,
    }
    assert alice.bough("config", "unset", "completion.threads") == "2"
    assert alice.bough("config", "unset", "completion.threads") == "2"
    assert "threads" not in config.read_text()


def test_what_no_setting_means_is_refused(alice: Member) -> None:
    typed = alice.types("config", "set", "completion.speed", "9")
    assert (typed.code, "there is no setting completion.speed" in typed.err) == (2, True)
    assert "bough config list" in typed.err


def test_a_damaged_file_is_one_clear_error_and_stops_nothing_else(live: Member) -> None:
    (live.home / "config.toml").write_text("[completion\n")
    typed = live.types("config", "list")
    assert typed.code == 2, typed
    assert str(live.home / "config.toml") in typed.err
    assert "Fix the file" in typed.err
    live.bough("down", "--all")
    said = live.told("complete", "b.py:1:10")
    assert said["continuations"][0]["text"] == REST
    assert "config.toml" in said["notes"][0]


def test_settings_in_the_repository_are_not_read(live: Member) -> None:
    (live.tree / ".bough.toml").write_text('[completion]\nremote = "https://evil.example/v1"\nenabled = false\n')
    assert live.told("complete", "b.py:1:10")["continuations"][0]["text"] == REST
    assert live.bough("config", "get", "completion.remote") == ""


def test_the_http_door_opens_for_who_knows_the_token_and_closes_again(live: Member) -> None:
    port = free_port()
    assert live.told("complete", "--doors")["http"] == ""
    live.bough("config", "set", "completion.http_port", str(port))
    doors = live.told("complete", "--doors")
    assert doors["http"] == f"http://127.0.0.1:{port}"
    token_file = Path(doors["token_file"])
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert str(port) in live.bough("complete", "--doors")
    assert str(port) in live.bough("doctor")
    token = token_file.read_text().strip()
    live.bough("complete", "b.py:1:10")
    assert infill(port, token) == (200, {"content": REST, "stop": True, "model": "bough"})
    assert infill(port, "wrong")[0] == 401
    assert infill(port, token, Origin="https://evil.example")[0] == 403
    assert infill(port, token, Host="evil.example")[0] == 403
    live.bough("down", "--all")
    live.bough("up")
    live.bough("complete", "b.py:1:10")
    assert infill(port, token)[0] == 200, "the token stays the same"
    live.bough("config", "set", "completion.http_port", "0")
    with pytest.raises(ConnectionRefusedError):
        infill(port, token)


def test_a_port_that_is_taken_is_one_clear_message_and_the_rest_goes_on(live: Member) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        typed = live.types("config", "set", "completion.http_port", str(port))
        assert typed.code == 0
        assert f"port {port} is taken by another program" in typed.err
        assert f"port {port} is taken" in live.types("doctor").out
        said = live.types("complete", "b.py:1:10")
        assert said.out.strip() == REST
        assert f"port {port} is taken" in said.err


def test_a_question_survives_the_end_of_the_completion_process_before_it(live: Member) -> None:
    live.bough("complete", "b.py:1:10")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and os.fsencode(live.home / "complete.sock") in _words(entry):
            os.kill(int(entry.name), signal.SIGKILL)
    assert live.bough("complete", "b.py:1:10").endswith(REST)


def test_what_is_accepted_is_counted_and_held_against_the_next_commit(live: Member) -> None:
    port = free_port()
    live.bough("config", "set", "completion.http_port", str(port))
    token = (live.home / "completion.token").read_text().strip()
    live.bough("complete", "b.py:1:10")
    assert live.types("complete", "--stats").err.endswith("Nothing has been suggested yet.\n")
    kept, lost = live.tree / "kept.py", live.tree / "lost.py"
    for file in (kept, lost):
        segments = {"prefix": "x = 1\nwindow.op", "suffix": "\n", "filepath": str(file)}
        status, answer = send(port, token, "/v1/completions", {"segments": segments})
        assert (status, answer["choices"][0]["text"]) == (200, REST)
        file.write_text("x = 1\nwindow.open_with(title)\n")
    until(lambda: _use(live)["accepted"] == 2)
    assert _use(live)["shown"] == 2
    lost.write_text("x = 1\nwindow.open_it()\n")
    live.bough("down", "--all")  # what waits for a commit is not forgotten
    live.bough("up")
    live.git("add", "-A")
    live.git("commit", "-qm", "second")
    until(lambda: _use(live)["committed"] == 2)
    use = _use(live)
    assert (use["accepted_characters"], use["committed_characters"]) == (2 * len(REST), 2 * len(REST))
    assert use["kept_characters"] == len(REST)
    assert "accepted  2 (100%), 28 characters" in live.bough("complete", "--stats")


def test_a_place_doors_and_stats_are_asked_for_one_at_a_time(live: Member) -> None:
    assert live.types("complete").code == 2
    assert live.types("complete", "b.py:1:1", "--stats").code == 2


def test_nothing_is_suggested_in_a_file_named_like_a_secret(live: Member) -> None:
    (live.tree / ".env").write_text("window.op\n")
    typed = live.types("complete", ".env:1:10")
    assert typed.code == 1
    assert "named like a secret" in typed.err


def _use(member: Member) -> dict[str, Any]:
    uses = member.told("complete", "--stats")["repositories"]
    return dict(uses[0]) if uses else {"shown": 0, "accepted": 0, "committed": 0}


def _words(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
