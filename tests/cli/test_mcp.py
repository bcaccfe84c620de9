"""An agent that speaks the Model Context Protocol, through the protocol's own client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.cli.conftest import Member, until

if TYPE_CHECKING:
    from mcp.client import Client

T = TypeVar("T")


def speaks(member: Member, work: Callable[[Client], Awaitable[T]]) -> T:
    """Start `bough mcp` as an agent would, do some work with it, and return what that returns."""
    # Imported here: it takes a second, which each process that collects the tests would need.
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    environment = os.environ | {"BOUGH_HOME": str(member.home)}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "bough_cli", "mcp"], cwd=member.tree, env=environment
    )

    async def talk() -> T:
        async with asyncio.timeout(120), Client(stdio_client(command)) as client:
            return await work(client)

    return asyncio.run(talk())


async def asked(client: Client, tool: str, **arguments: Any) -> Any:
    """Call a tool that answers, and return what it says."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    text = result.content[0].text  # type: ignore[union-attr]
    said = result.structured_content or json.loads(text)
    return said["result"] if isinstance(said, dict) and said.keys() == {"result"} else said


@pytest.fixture
def pair(members: Callable[[str], Member]) -> tuple[Member, Member]:
    """Alice and bob, of whom bob changes a file."""
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    bob.bough("join", alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1])
    (bob.tree / "src/b.py").write_text("def b():\n    return 2\n")
    bob.bough("save")
    until(lambda: any("src/b.py" in one["files"] for one in alice.told("status")["teammates"]))
    return alice, bob


def test_an_agent_sees_who_changes_what_it_is_about_to_edit(pair: tuple[Member, Member]) -> None:
    alice, _ = pair

    async def work(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"team", "before_editing", "changes", "merge", "land", "restore", "undo", "save", "log"} <= names
        told = await asked(client, "before_editing", paths=["src/b.py", "a.txt"])
        (one,) = told["others"]
        assert (one["branch"], one["paths"]) == ("bob", ["src/b.py"])
        assert "-    return 1" in one["diff"] and "+    return 2" in one["diff"]
        assert (await asked(client, "before_editing", paths=["a.txt"]))["others"] == []
        assert [one["branch"] for one in (await asked(client, "before_editing", paths=["src"]))["others"]] == ["bob"]
        assert "+    return 2" in await asked(client, "changes", name="bob")
        told = json.loads((await client.read_resource("bough://status")).contents[0].text)  # type: ignore[union-attr]
        assert [one["name"] for one in told["teammates"]] == ["bob"]
        diff = (await client.read_resource("bough://changes/bob")).contents[0].text  # type: ignore[union-attr]
        assert "+    return 2" in diff

    speaks(alice, work)


def test_an_agent_merges_undoes_and_restores(pair: tuple[Member, Member]) -> None:
    alice, _ = pair

    async def work(client: Client) -> None:
        before = (alice.tree / "src/b.py").read_bytes()
        assert (await asked(client, "preview_merge", name="bob"))[0].startswith("Would merge bob")
        assert (alice.tree / "src/b.py").read_bytes() == before
        assert (await asked(client, "merge", name="bob"))["result"] == "clean"
        assert b"return 2" in (alice.tree / "src/b.py").read_bytes()
        await asked(client, "undo")
        assert (alice.tree / "src/b.py").read_bytes() == before
        (alice.tree / "a.txt").unlink()
        await asked(client, "save")
        await asked(client, "restore", paths=["a.txt"])
        assert (alice.tree / "a.txt").read_bytes() == b"one\ntwo\nthree\n"
        assert (await asked(client, "log", count=3))[0]["tip"]

    speaks(alice, work)


def test_an_agent_reads_answers_and_applies_comments(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    text = "```suggestion\n    return 3\n```"
    id = json.loads(bob.bough("comment", "src/b.py:2", text, "--on", "alice", "--json"))["id"]
    until(lambda: alice.told("status")["comments"] == 1)

    async def work(client: Client) -> None:
        (one,) = await asked(client, "comments", path="src")
        assert (one["id"], one["by"], one["place"]["first"], one["code"]) == (id, "bob", 2, "    return 1\\n")
        await asked(client, "apply_suggestion", id=id)
        assert b"return 3" in (alice.tree / "src/b.py").read_bytes()
        await asked(client, "reply", id=id, text="done", close=True)
        await asked(client, "comment", file="a.txt", first=1, text="Why?", last=2)
        assert (await asked(client, "comments"))[0]["text"] == "Why?"
        first, second = await asked(client, "comments", everything=True)
        assert (first["closed_by"], second["closed_by"]) == ("alice", "")
        assert (await client.call_tool("reply", {"id": id})).is_error

    speaks(alice, work)
    assert alice.told("status")["new_comments"] == 1, "what an agent reads, its user has not been shown"


def test_a_refusal_reaches_the_agent_with_its_remedy(alice: Member) -> None:
    async def work(client: Client) -> None:
        for tool, arguments in (
            ("merge", {"name": "nobody"}),
            ("changes", {"name": "../x"}),
            ("land", {"message": ""}),
        ):
            result = await client.call_tool(tool, arguments)
            assert result.is_error, tool
        result = await client.call_tool("changes", {"name": "--output=x"})
        assert result.is_error and "has no live branch here" in result.content[0].text  # type: ignore[union-attr]

    alice.bough("up")
    speaks(alice, work)
    assert not (alice.tree / "x").exists()


def test_where_nothing_is_live_the_agent_is_told_what_to_do(alice: Member) -> None:
    async def work(client: Client) -> str:
        result = await client.call_tool("team", {})
        assert result.is_error
        return str(result.content[0].text)  # type: ignore[union-attr]

    assert "bough up" in speaks(alice, work)
