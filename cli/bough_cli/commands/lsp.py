"""bough lsp"""

from __future__ import annotations

from typing import Annotated

import typer

from bough_cli.connection import home


def lsp(
    tcp: Annotated[
        int, typer.Option("--tcp", metavar="PORT", help="Serve one editor on this port of 127.0.0.1 instead.")
    ] = 0,
) -> None:
    """Serve completions to an editor, as a language server."""
    from bough_completion.lsp import Door, language_server  # the protocol's types take half a second to import
    from bough_daemon.doors import DaemonWay

    server = language_server(Door(DaemonWay(home())))
    if tcp:
        server.start_tcp("127.0.0.1", tcp)
    else:
        server.start_io()
