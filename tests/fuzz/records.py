"""What Bough itself has written down, and a kill, a disk or a person has damaged since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

from bough_daemon.api.settings import read_settings
from bough_daemon.errors import BadSetting, HomeUnusable, KeyNotOpened, StoreDamaged
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.journal import Hop, Journal, Operation
from bough_daemon.home import Home
from bough_daemon.talk.entries import Anchor, Remark, SolidMark, TalkEntry, content_of, said_in
from bough_daemon.talk.log_file import LogFile
from bough_daemon.team.branch_state import BranchKind, Key, State
from bough_daemon.team.identity import load_identity
from bough_daemon.team.invites import VALID_MS, Invite, Invites, TicketUse
from bough_daemon.team.key_file import export_key, open_key
from bough_daemon.team.roster import Roster
from bough_daemon.team.team_files import Team, note_of
from bough_daemon.team.tickets import key_of

from tests.daemon.support import make_repository
from tests.daemon.team.test_roster import NOW, admit, someone
from tests.fuzz.target import Trial, target

JSON_WORDS = [b"null", b"{}", b"[]", b'""', b"1e999", b"-1", b"NaN", b"[" * 3000, b"true", b'"\\ud800"', b"1" * 5000]


def _reading(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    """Return an attempt that puts bytes into a file and reads it."""

    def attempt(data: bytes) -> object:
        path.write_bytes(data)
        return read()

    return attempt


@target(StoreDamaged)
def journal(folder: Path) -> Iterator[Trial]:
    """Read the record of commands."""
    worktree = Worktree.find(str(make_repository(folder / "r", {"a": b"1"})))
    kept = Journal.of(str(folder), worktree)
    operation = Operation(
        1, "hop", before="1" * 40, toward="2" * 40, at=1.5, hop=Hop("bob", "1" * 40, "2" * 40, "3" * 40, "4" * 40)
    )
    lines = [json.dumps(asdict(operation)), json.dumps({"number": 1, "state": "done", "made": ""})]

    def read() -> None:
        kept.operations()
        kept.interrupted()
        kept.newest()
        kept.hop()

    right = "".join(f"{line}\n" for line in lines).encode()
    yield Trial(_reading(Path(kept.path), read), [right, right * 2, lines[0].encode() + b"\n"], JSON_WORDS)


@target(KeyNotOpened, short=100)
def key_files(folder: Path) -> Iterator[Trial]:
    """Open exported keys, with the right passphrase."""
    home = Home(str(folder), str(folder))
    with patch("bough_daemon.team.key_file.COST", 2):
        right = export_key(home, "open sesame")
        yield Trial(lambda data: open_key(data, "open sesame"), [right], JSON_WORDS)


@target(BadSetting)
def config(folder: Path) -> Iterator[Trial]:
    """Read the user's settings."""
    home = Home(str(folder), str(folder))
    seeds = [b'[completion]\nmodel = "x"\nenabled = true\n', b"[save]\n", b"x = 1\n"]
    yield Trial(
        _reading(folder / "config.toml", lambda: read_settings(home)), seeds, [b"true", b'"""', b"[[x]]", b"1e9"]
    )


def _team(folder: Path) -> Team:
    roster = Roster.found(someone("alice"), "alice", NOW)
    admit(roster, "alice", "bob")
    roster.announce(someone("alice"), ["127.0.0.1:1"], NOW)
    alice, ticket = someone("alice"), key_of(bytes(16))
    made = Invite.made(bytes(16), roster.team, alice, NOW, VALID_MS, 2, (someone("bob").key,))
    used = TicketUse(ticket, someone("bob").key, alice.key, NOW).signed(roster.team, alice)
    invites = Invites().with_new(made, NOW).with_use(used)
    team = Team(str(folder), roster, "/r/.git", invites)
    team.sequences = {Key("alice", BranchKind.LIVE, b"alice"): 1}
    team.save_roster()
    team.save_states([State(roster.team, Key("alice", BranchKind.LIVE, b"alice"), 1, "1" * 40, "2" * 40, NOW)])
    return team


def _reading_team(folder: Path, name: str) -> Trial:
    _team(folder)
    path = folder / name
    return Trial(_reading(path, lambda: Team.load(str(folder))), [path.read_bytes()], JSON_WORDS)


@target(StoreDamaged, short=150)
def roster_file(folder: Path) -> Iterator[Trial]:
    """Read who is in a team."""
    yield _reading_team(folder, "roster.json")


@target(StoreDamaged, short=150)
def states_file(folder: Path) -> Iterator[Trial]:
    """Read what the team has."""
    yield _reading_team(folder, "states.json")


@target(StoreDamaged)
def team_note(folder: Path) -> Iterator[Trial]:
    """Read the team that a repository is in."""
    yield Trial(_reading(folder / "team", lambda: note_of(str(folder))), [b"1" * 32 + b"\n" + b"2" * 16 + b"\n"])


@target(HomeUnusable)
def identity(folder: Path) -> Iterator[Trial]:
    """Read the keys of a home."""
    home = Home(str(folder), str(folder))
    load_identity(home)
    path = folder / "identity.json"
    right = path.read_bytes()
    seeds = [right, right.replace(b"tls_key", b"x")]
    yield Trial(_reading(path, lambda: load_identity(home)), seeds, JSON_WORDS)


REMARK = content_of(Remark("alice", Anchor(b"a.py", "1" * 40, "2" * 40, 3, b"x = 1\n"), "why?"))


@target()
def talk_content(folder: Path) -> Iterator[Trial]:
    """Read what a teammate signed: whatever it is, it is understood, or says nothing."""
    yield Trial(said_in, [REMARK, content_of(SolidMark("alice", "1" * 40, "done"))], [*JSON_WORDS, b"../", b"\0"])


@target()
def talk_file(folder: Path) -> Iterator[Trial]:
    """Read what members said: what is damaged is left out."""
    kept = LogFile(str(folder))
    kept.append([TalkEntry(bytes(32), 1, b"", NOW, REMARK, bytes(64))] * 2)
    path = Path(kept.path)
    yield Trial(_reading(path, LogFile(str(folder)).load), [path.read_bytes()], JSON_WORDS)
