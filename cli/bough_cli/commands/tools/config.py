"""bough config"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import is_running
from bough_daemon.api.settings import KEYS, Value, change, parse, read_settings, setting

from bough_cli import output
from bough_cli.connection import home

app = typer.Typer(help="Show and change your settings.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="Like completion.http_port.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command("list")
def list_settings(json: Json = False) -> None:
    """List every setting with its value."""
    settings = read_settings(home())
    for key, known in KEYS.items():
        value, is_set = settings.value(key), key in settings.values
        if json:
            output.as_json({"key": key, "value": value, "set": is_set, "meaning": known.meaning})
        else:
            shown = f"{key} = {written(value)}"
            output.data(f"{output.bold(shown) if is_set else shown}  {output.dim(f'# {known.meaning}')}")


@app.command()
def get(key: Key, json: Json = False) -> None:
    """Print the value of a setting."""
    setting(key)
    show(key, read_settings(home()).value(key), json)


@app.command("set")
def set_value(
    key: Key, value: Annotated[str, typer.Argument(metavar="VALUE", help="The new value.")], json: Json = False
) -> None:
    """Change a setting; the running daemon applies it at once."""
    change(home(), key, parse(key, value))
    tell_daemon()
    show(key, read_settings(home()).value(key), json)


@app.command()
def unset(key: Key, json: Json = False) -> None:
    """Reset a setting to its default."""
    change(home(), key, None)
    tell_daemon()
    show(key, read_settings(home()).value(key), json)


def tell_daemon() -> None:
    """Have the running daemon apply the settings, and show its notices."""
    if is_running(home()):
        with Client(home()) as daemon:
            for note in daemon.reload_settings():
                output.talk(note)


def show(key: str, value: Value, json: bool) -> None:
    """Print a setting."""
    if json:
        output.as_json({"key": key, "value": value})
    else:
        output.data(written(value))


def written(value: Value) -> str:
    """Return a value as the user would type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
