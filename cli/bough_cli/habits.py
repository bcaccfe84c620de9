"""What people who know other tools type, and what to type here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bough_daemon.errors import BadUsage

NUMBER = re.compile(r"-\d+")
# By command: what else was typed (`-1`: any number; empty: anything), and the advice.
WITH = {
    "merge": {
        "--abort": "`bough undo` reverses a merge, with its conflicts.",
        "--continue": "Resolve the conflict markers and `git add` the files; that is all.",
        "--quit": "`bough undo` reverses a merge, with its conflicts.",
        "--no-ff": "`bough merge` makes no commit; `bough land` does.",
        "--squash": "`bough merge` makes no commit; `bough land` does.",
        "-m": "`bough merge` makes no commit; `bough land -m MESSAGE` does.",
    },
    "log": {
        "-1": "Use `-n NUMBER`.",
        "--oneline": "Each snapshot is already one line; `bough git log --oneline NAME` shows Git's log.",
        "--stat": "Use `bough git log --stat NAME`.",
        "--graph": "Use `bough git log --graph NAME`.",
    },
    "land": {"": "Use `bough land -m MESSAGE`."},
    "invite": {
        "--revoke": "Use `bough invites --revoke ID`.",
        "": "A ticket has no name on it; who joins chooses one: `bough join TICKET --as NAME`.",
    },
    "invites": {"": "Use `bough invites --revoke ID` to revoke a ticket."},
    "hop": {"-c": "Use `bough off BRANCH` there, for a Git branch of your own.", "-b": "Use `bough off BRANCH` there."},
    "save": {"-m": "A snapshot needs no message; `git commit` and `bough land -m MESSAGE` take one."},
    "restore": {"--source": "Use `--from SNAPSHOT`.", "-s": "Use `--from SNAPSHOT`.", "--staged": "Use `git restore`."},
    "up": {"": "Run it in the repository; `--as NAME` sets your name."},
    "back": {"": "It returns to your own branch; `bough hop NAME` goes to a teammate's."},
    "undo": {
        "": "It reverses the last command; run it again for the one before. `bough restore` restores single files."
    },
}


def check_known(typed: Sequence[str]) -> None:
    """Raise BadUsage for an unknown command that has a meaning elsewhere, naming its replacement."""
    from bough_daemon.git.view import instead_of  # rarely needed, and it takes a while to import

    advice = instead_of(typed[0], typed[1:])
    if advice is not None:
        raise BadUsage(f"there is no command `bough {typed[0]}`", hint=f"Use {advice}.")


def advice_for(typed: Sequence[str]) -> str | None:
    """Return what to type instead of a refused command line, or None."""
    known = WITH.get(typed[0], {}) if typed else {}
    words = ("-1" if NUMBER.fullmatch(word) else word.partition("=")[0] for word in typed[1:])
    return next((known[word] for word in words if word in known), known.get(""))
