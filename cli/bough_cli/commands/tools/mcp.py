"""bough mcp"""

from __future__ import annotations

from bough_daemon.errors import NotInstalled

from bough_cli.connection import here


def mcp() -> None:
    """Serve the team's state to an agent, as tools (MCP).

    Name it in the settings of the agent as a server over stdio: the command `bough mcp`, started in the repository.
    """
    try:
        from bough_cli.agent_tools import server  # takes about a second to import
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise NotInstalled("`bough mcp` needs the extra mcp", extra="mcp") from missing
    server(here()).run()
