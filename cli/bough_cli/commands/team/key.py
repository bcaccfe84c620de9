"""bough key"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from bough_daemon.api.launch import is_running
from bough_daemon.api.live_worktrees import LiveTrees
from bough_daemon.errors import BadUsage, DaemonRunning, NoPassphrase, NotPossibleNow
from bough_daemon.faults import fault_of
from bough_daemon.git.worktree import live_root
from bough_daemon.system.durable import write_whole
from bough_daemon.system.text import printable
from bough_daemon.team.fingerprints import readable_fingerprint
from bough_daemon.team.identity import load_identity
from bough_daemon.team.key_file import LARGEST_BYTES, export_key, import_key, open_key, signing_home

from bough_cli import output
from bough_cli.connection import here, home

app = typer.Typer(help="Show, export and import the key that you sign with.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="The file of the exported key.")]
PassphraseFile = Annotated[
    str, typer.Option(metavar="FILE", help="Read the passphrase from this file (`-`: stdin) instead of asking.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def show(json: Json = False) -> None:
    """Print the fingerprint of your key here."""
    mine = signing_home(home(), here())
    fingerprint = readable_fingerprint(load_identity(mine).key)
    if json:
        output.as_json({"fingerprint": fingerprint, "home": mine.root})
    else:
        output.data(fingerprint)


@app.command("export")
def export(file: File, passphrase_file: PassphraseFile = "", json: Json = False) -> None:
    """Write the key you sign with here to a protected file."""
    path = Path(os.path.abspath(file))
    if live_root(str(path.parent)) in LiveTrees(home()):
        hint = "Choose a path outside it, on another disk or in a password manager."
        raise NotPossibleNow(f"{printable(file)} would be in a live working tree and be shared", hint=hint)
    if not path.parent.is_dir():
        raise NotPossibleNow(f"there is no folder {printable(str(path.parent))}", hint="Create it, or name another.")
    if path.exists():
        raise NotPossibleNow(f"{printable(file)} already exists", hint="Choose another name, or remove it first.")
    mine = signing_home(home(), here())
    data = export_key(mine, _passphrase(passphrase_file, new=True))
    try:
        write_whole(str(path), data)
    except OSError as failure:
        raise fault_of(failure) from failure
    fingerprint = readable_fingerprint(load_identity(mine).key)
    if json:
        output.as_json({"fingerprint": fingerprint, "file": str(path)})
        return
    output.data(f"Exported the key {fingerprint} to {printable(file)}")
    output.talk("Keep it away from this machine. On a new one, `bough key import` makes you the same member again.")


@app.command("import")
def import_(
    file: File,
    passphrase_file: PassphraseFile = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace the key of this home without asking.")] = False,
    json: Json = False,
) -> None:
    """Make an exported key the key of this home."""
    if is_running(home()):
        raise DaemonRunning("the daemon is running with the key of this home")
    plain = open_key(_read(file), _passphrase(passphrase_file, new=False))
    has_key = os.path.exists(home().path("identity.json"))
    if has_key and not yes and sys.stdin.isatty():
        output.agree("Replace the key of this home? The old one is kept in a separate file.", yes, "replacing the key")
        yes = True
    identity, kept = import_key(home(), plain, replace=yes)
    fingerprint = readable_fingerprint(identity.key)
    if json:
        output.as_json({"fingerprint": fingerprint, "kept": kept})
        return
    output.data(f"This home signs with the key {fingerprint}")
    if kept:
        output.talk(f"The previous key is kept in {printable(kept)}.")
    output.talk("In a clone of the repository, `bough join TICKET --as NAME` with your old name brings you back.")


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as source:
            return source.read(LARGEST_BYTES + 1)
    except OSError as failure:
        raise NotPossibleNow(f"{printable(file)} cannot be read: {failure.strerror}") from failure


def _passphrase(file: str, *, new: bool) -> str:
    """Return the passphrase, from a file or asked for at the terminal, twice if it is new."""
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if file:
        return _read(file).decode("utf-8", "surrogateescape").split("\n", 1)[0].rstrip("\r")
    if not output.can_ask():
        raise NoPassphrase("a passphrase is needed, and there is no terminal")
    asked = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True)
    if not isinstance(asked, str):
        raise BadUsage("a passphrase is text")
    return asked
