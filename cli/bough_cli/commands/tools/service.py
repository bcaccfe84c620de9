"""bough service"""

from __future__ import annotations

import os
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import is_running, wait_until_ended
from bough_daemon.api.user_service import UserService, service_of
from bough_daemon.system.text import printable

from bough_cli import output, progress
from bough_cli.connection import home

app = typer.Typer(help="Start Bough when you log in.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def install(json: Json = False) -> None:
    """Start Bough when you log in.

    What is live stays live after a reboot.
    """
    place = home()
    place.make()
    service = service_of(place, os.environ)
    if is_running(place):  # so that the service owns the daemon from now on, and restarts it
        with Client(place) as daemon:
            daemon.shutdown()
        wait_until_ended(place, progress.tell)
    service.install()
    _show(service, f"Bough starts when you log in, by {printable(service.path)}", json=json)


@app.command()
def remove(json: Json = False) -> None:
    """No longer start Bough when you log in."""
    service = service_of(home(), os.environ)
    service.remove()
    _show(service, "Bough no longer starts when you log in", json=json)


@app.command()
def status(json: Json = False) -> None:
    """Show whether Bough starts when you log in."""
    service = service_of(home(), os.environ)
    if not service.is_installed:
        said = "Bough does not start when you log in; `bough service install` changes that"
    elif service.is_current:
        said = f"Bough starts when you log in, by {printable(service.path)}"
    else:
        said = f"{printable(service.path)} starts another Bough than this one; `bough service install` replaces it"
    _show(service, said, json=json)


def _show(service: UserService, said: str, *, json: bool) -> None:
    if json:
        output.as_json({"path": service.path, "installed": service.is_installed, "current": service.is_current})
    else:
        output.data(said)
