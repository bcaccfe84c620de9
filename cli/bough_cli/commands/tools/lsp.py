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
    from bough_completion.endpoints.lsp import (  # the protocol's types take half a second to import
        LspEndpoint,
        language_server,
    )
    from bough_daemon.api.lsp_connection import DaemonConnection

    server = language_server(LspEndpoint(DaemonConnection(home())))
    if tcp:
        server.start_tcp("127.0.0.1", tcp)
    else:
        server.start_io()
