"""An editor before `bough lsp`: a client of pygls, through the whole daemon."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from socket import socketpair
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Member
from tests.daemon.support import make_repository

if TYPE_CHECKING:
    from tests.cli.lsp_editor import Editor

LINES = b"window.open_with(title)\n" * 40 + b"door.shut(now)\ndoor.slam(now)\n"
PATIENCE = 30.0


def editor(member: Member, **variables: str) -> AbstractAsyncContextManager[Editor]:
    """Start an editor, whose libraries take a second to import: each process that collects the tests would need it."""
    from tests.cli import lsp_editor

    return lsp_editor.editor(member, **variables)


@pytest.fixture
def live(members: Callable[..., Member]) -> Member:
    """A member whose repository is live and has lines to learn."""
    alice = members("alice", {"a.py": LINES, ".gitignore": b"ignored.py\n"})
    alice.bough("up")
    return alice


def test_an_editor_gets_inline_completions_and_lists(live: Member) -> None:
    async def talk() -> None:
        async with editor(live) as client:
            document = client.opens(live.tree / "ü b.py", 'x = "\N{GRINNING FACE}"\nwindow.op\ndoor.s\n')
            await client.until(document, 1, 9, "en_with(title)")
            assert await client.inline(document, 1, 9, unasked=True) == ["en_with(title)"]
            assert {"hut(now)", "lam(now)"} <= set(await client.inline(document, 2, 6))
            assert await client.inline(document, 2, 6, unasked=True) == []
            listed = await client.listed(document, 1, 9)
            assert listed == ("open_with(title)", 7, "repository engine, no model")

    asyncio.run(talk())


def test_a_save_and_an_unsaved_buffer_complete_another_file(live: Member) -> None:
    async def talk() -> None:
        async with editor(live) as client:
            document = client.opens(live.tree / "b.py", "basket.a\nlantern.l\n")
            (live.tree / "saved.py").write_text("lantern.light_up(wick)\n" * 10)
            await client.until(document, 1, 9, "ight_up(wick)")
            other = client.opens(live.tree / "c.py", "")
            client.changes(other, "basket.add_item(one)\n" * 10)
            await client.until(document, 0, 8, "dd_item(one)")
            client.closes(other)
            assert "add_item(one)" not in await client.inline(document, 0, 7)

    asyncio.run(talk())


def test_secrets_and_ignored_files_teach_nothing_and_secrets_are_not_completed(live: Member) -> None:
    async def talk() -> None:
        (live.tree / ".env").write_text("basket.secret_of(house)\n" * 30)
        live.bough("save")
        async with editor(live) as client:
            for name in (".env", "server.pem", "ignored.py"):
                client.opens(live.tree / name, "basket.secret_of(house)\n" * 30)
            document = client.opens(live.tree / "b.py", "basket.sec\nwindow.op\n")
            await client.until(document, 1, 9, "en_with(title)")
            assert not any("ret_of" in text for text in await client.inline(document, 0, 10))
            secret = client.opens(live.tree / "sub" / ".env.local", "window.op\n")
            assert await client.inline(secret, 0, 9) == []
            ignored = client.opens(live.tree / "ignored.py", "window.op\n")
            await client.until(ignored, 0, 9, "en_with(title)")

    asyncio.run(talk())


def test_one_server_serves_several_repositories_and_what_is_not_live_from_its_own_buffers(
    live: Member, tmp_path: Path
) -> None:
    second, still, outside = (tmp_path / name for name in ("second", "not live", "no repository"))
    make_repository(second, {"d.py": b"kettle.boil_over(stove)\n" * 30})
    make_repository(still, {"e.py": b"kettle.whistle(loud)\n" * 30})
    outside.mkdir()
    assert live.types("up", where=second).code == 0

    async def talk() -> None:
        async with editor(live) as client:
            document = client.opens(live.tree / "b.py", "window.op\n")
            await client.until(document, 0, 9, "en_with(title)")
            elsewhere = client.opens(second / "b.py", "kettle.bo\nwindow.op\n")
            await client.until(elsewhere, 0, 9, "il_over(stove)")
            assert await client.inline(elsewhere, 1, 9) == []
            for folder in (still, outside):
                client.opens(folder / "f.py", "spoon.stir_round(cup)\n" * 10)
                alone = client.opens(folder / "g.py", "spoon.st\nkettle.wh\nwindow.op\n")
                await client.until(alone, 0, 8, "ir_round(cup)")
                assert await client.inline(alone, 1, 9) == []
                assert await client.inline(alone, 2, 9) == []

    asyncio.run(talk())


def test_an_editor_outlives_the_completion_process_and_the_daemon(live: Member) -> None:
    async def talk() -> None:
        async with editor(live) as client:
            document = client.opens(live.tree / "b.py", "window.op\nbasket.a\n")
            other = client.opens(live.tree / "c.py", "basket.add_item(one)\n" * 10)
            await client.until(document, 0, 9, "en_with(title)")
            await client.until(document, 1, 8, "dd_item(one)")
            os.kill(completion_pid(live), signal.SIGKILL)
            await client.until(document, 0, 9, "en_with(title)")
            failing = (await asyncio.to_thread(live.told, "status"))["failing"]
            assert [(one["work"], one["reason"]) for one in failing] == [
                ("completion", "its process ended with code -9")
            ]
            await client.until(document, 1, 8, "dd_item(one)")
            os.kill(live.daemon_pid(), signal.SIGKILL)
            await client.until(document, 0, 9, "en_with(title)")
            client.changes(other, "basket.all_of_it(two)\n" * 10)
            await client.until(document, 1, 8, "ll_of_it(two)")
            await asyncio.to_thread(live.bough, "down", "--all")
            assert await client.inline(document, 0, 9) == []
            assert not (live.home / "control.sock").exists() or not await asyncio.to_thread(runs, live)
            await asyncio.to_thread(live.bough, "up")
            await client.until(document, 0, 9, "en_with(title)")

    asyncio.run(talk())


def test_two_editors_at_once_each_have_their_own_buffers_answered(live: Member) -> None:
    async def talk() -> None:
        async with editor(live) as one, editor(live) as two:
            first = one.opens(live.tree / "b.py", "window.op\n")
            second = two.opens(live.tree / "b.py", "door.sh\nwindow.op\n")
            await one.until(first, 0, 9, "en_with(title)")
            await two.until(second, 1, 9, "en_with(title)")

            async def last_of_five() -> tuple[list[str], list[str]]:
                asked = *(one.inline(first, 0, 9) for _ in range(5)), *(two.inline(second, 0, 7) for _ in range(5))
                answers = await asyncio.gather(*asked)
                return answers[4], answers[9]

            async with asyncio.timeout(PATIENCE):
                seen = await last_of_five()
                while not all(seen):  # a suggestion that takes a busy machine too long is left out
                    seen = await last_of_five()
            assert seen[0][:1] == ["en_with(title)"]
            assert "ut(now)" in seen[1]

    asyncio.run(talk())


def test_a_home_that_cannot_be_used_and_completion_switched_off_are_quiet(live: Member, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def talk() -> None:
        async with editor(live, BOUGH_HOME=str(tmp_path / "file" / "home")) as client:
            document = client.opens(live.tree / "b.py", "window.op\n")
            assert await client.inline(document, 0, 9) == []
            assert "cannot be used as a home" in client.logged[0]
        async with editor(live) as client:
            document = client.opens(live.tree / "b.py", "window.op\n")
            await client.until(document, 0, 9, "en_with(title)")
            await asyncio.to_thread(live.bough, "config", "set", "completion.enabled", "false")
            assert await client.inline(document, 0, 9) == []
            await asyncio.to_thread(live.bough, "config", "unset", "completion.enabled")
            await client.until(document, 0, 9, "en_with(title)")

    asyncio.run(talk())


def message(method: str, identity: int | None, **params: object) -> bytes:
    body = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": identity} if identity else {})
    encoded = json.dumps(body).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(encoded), encoded)


def test_garbage_does_not_keep_the_server_from_its_end(tmp_path: Path) -> None:
    hello = message("initialize", 1, capabilities={})
    for sent in (
        b"Content-Length: 5\r\n\r\nhello",
        b"Content-Length: -3\r\n\r\n",
        b'Content-Length: 12\r\n\r\n{"method": 1',
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\xff" * 1000 + b"\r\n\r\n",
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "bough_cli", "lsp"],
            input=hello + sent + hello,
            env=dict(os.environ) | {"BOUGH_HOME": str(tmp_path / "home")},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert b"inlineCompletionProvider" in done.stdout, done
        assert b"Traceback" not in done.stdout


def test_an_editor_may_talk_through_one_socket_or_write_all_to_a_file(tmp_path: Path) -> None:
    talk = message("initialize", 1, capabilities={}) + message("shutdown", 2) + message("exit", None)
    command = [sys.executable, "-P", "-m", "bough_cli", "lsp"]
    environment = dict(os.environ) | {"BOUGH_HOME": str(tmp_path / "home")}
    ours, theirs = socketpair()
    with ours, subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), env=environment) as server:
        theirs.close()
        ours.sendall(talk)
        ours.settimeout(PATIENCE)
        told = b""
        while chunk := ours.recv(65536):
            told += chunk
        assert server.wait(PATIENCE) == 0
    (tmp_path / "talk").write_bytes(talk)
    with (tmp_path / "talk").open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, env=environment, timeout=PATIENCE, check=True)
    for answer in (told, done.stdout):
        assert answer.count(b"inlineCompletionProvider") == 1
        assert b'"id": 2' in answer


def completion_pid(member: Member) -> int:
    """Return the process id of a member's completion process."""
    socket = str(member.home / "complete.sock")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(socket) in words and b"bough_completion" in words:
                return int(entry.name)
    raise AssertionError("the completion process does not run")


def runs(member: Member) -> bool:
    """Return whether a member's daemon runs."""
    told = [json.loads(line) for line in member.types("doctor", "--json").out.splitlines()]
    return any(check["name"] == "daemon" and check["found"].startswith("running") for check in told)
