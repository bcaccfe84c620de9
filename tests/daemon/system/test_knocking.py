"""Of several addresses the one at which something listens is found."""

from __future__ import annotations

import asyncio
import socket

import pytest
from bough_daemon.system import knocking
from bough_daemon.system.knocking import Knock

from tests.daemon.team_support import DEADLINE


def knocks(addresses: list[str], most: int) -> list[Knock]:
    """Return what comes first of trying some addresses."""

    async def test() -> list[Knock]:
        found = list[Knock]()
        async for knock in knocking.knocks(addresses):
            found.append(knock)
            if len(found) == most:
                break
        return found

    return asyncio.run(asyncio.wait_for(test(), DEADLINE))


def test_an_address_that_never_answers_keeps_no_other_one_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    anywhere = ("127.0.0.1", 0)
    with socket.create_server(anywhere) as listening, socket.create_server(anywhere, backlog=0) as deaf:
        live, silent = (f"127.0.0.1:{one.getsockname()[1]}" for one in (listening, deaf))
        first_in_the_queue = socket.create_connection(deaf.getsockname())  # which is full then: nothing answers there
        assert knocks([silent, live], 1) == [Knock(live, "127.0.0.1")]
        monkeypatch.setattr(knocking, "KNOCK_PATIENCE", 0.1)
        assert knocks([silent], 1) == [Knock(silent, failure="no answer")]
        first_in_the_queue.close()


def test_why_nothing_answers_is_said_of_each_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    said = {one.address: one.failure for one in knocks([f"127.0.0.1:{port}", ":99"], 2)}
    assert said[f"127.0.0.1:{port}"] == "connection refused"
    assert said[":99"] == "':99' is not of the form HOST:PORT"
