"""The agents of a repository, recorded next to its store."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, replace

from bough_daemon.errors import BadAgentName, UnknownAgent
from bough_daemon.git.store_reading import HOPS
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")  # also valid as the `FOLDER` of a live branch, a folder and a Git branch
PORTS_EACH = 10
# Below the ports that systems use for outgoing connections, and not those that Bough listens on.
PORT_RANGE = range(26_000, 32_000, PORTS_EACH)


@dataclass(frozen=True)
class Agent:
    """One agent. Times are seconds since the epoch; 0: not yet.

    `root`: the top folder of its working tree. `base`: the commit that it was created from, `origin`: the snapshot.
    `git_branch`: the branch created there; empty: HEAD is detached. `is_whole`: everything was put into it.
    `has_begun`: it has been live. `port`: the first of its own ports. `process`: the command started last.
    `code`: its exit code once it has ended.
    """

    name: str
    root: str
    base: str
    origin: str
    git_branch: str
    port: int
    command: str = ""
    process: int = 0
    started: float = 0.0
    ended: float = 0.0
    code: int | None = None
    is_whole: bool = True
    has_begun: bool = True

    @property
    def runs(self) -> bool:
        """Return whether its command is still running, judging by its process."""
        if not self.started or self.ended:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class AgentList:
    """The agents of one repository, in `agents.json` of its `folder`; each change is atomic, from any thread."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "agents.json")
        self.making = asyncio.Lock()  # held while a working tree is created
        self._changing = threading.Lock()

    def all(self) -> dict[str, Agent]:
        """Return the agents by name."""
        with suppress(FileNotFoundError):
            return read_record(self._path, dict[str, Agent])
        return {}

    def known(self, name: str) -> Agent:
        """Return the agent with this name, or raise UnknownAgent."""
        found = self.all().get(name)
        if found is None:
            raise UnknownAgent(f"there is no agent {name} in this repository", name=name)
        return found

    def put(self, agent: Agent) -> None:
        """Record an agent, replacing any other of the same name."""
        with self._changing:
            self._write({**self.all(), agent.name: agent})

    def drop(self, name: str) -> None:
        """Forget an agent."""
        with self._changing:
            self._write({known: agent for known, agent in self.all().items() if known != name})

    def begun(self, name: str, command: str, process: int, now: float) -> Agent:
        """Record that a command was started for an agent."""
        agent = replace(self.known(name), command=command, process=process, started=now, ended=0.0, code=None)
        self.put(agent)
        return agent

    def ended(self, name: str, code: int, now: float) -> Agent:
        """Record that an agent's command has ended."""
        agent = replace(self.known(name), ended=now, code=code)
        self.put(agent)
        return agent

    def free_port(self) -> int:
        """Return the first of a range of ports that no other agent has and nothing listens on."""
        taken = {agent.port for agent in self.all().values()}
        for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
            if port not in taken and all(map(_is_free, range(port, port + PORTS_EACH))):
                return port
        return PORT_RANGE[0]

    def _write(self, agents: dict[str, Agent]) -> None:
        write_whole(self._path, as_json(agents))


def check_agent_name(name: str) -> str:
    """Return the name if an agent may have it, else raise BadAgentName."""
    if name == HOPS:
        raise BadAgentName("`hop` is the working tree of `bough hop --worktree`, not an agent", name=name)
    if not FORM.fullmatch(name) or name.endswith("-"):
        raise BadAgentName(
            f"{name!r} is not a valid agent name: use up to 40 lower-case letters, digits and `-`", name=name
        )
    return name


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
