"""Measure what goes over the line: the bytes of a small save in a large repository, and the time of a first sync.

usage: python -m tests.bench.transfer [--files N] [--megabytes N] [--rounds N]   (0: not that part)

The bytes: two members of one team in a repository of N files (default 100,000), once all in one folder and once nested;
one saves a line of one file, and the size of the pack that goes to the other is taken. The bar is 1 KB.

The first sync: a repository with N megabytes (default 100) of history that does not compress, packed. A hub that runs
already joins the team and takes the branch of its one member; in the same run `git clone --bare` fetches the same
commits from a `git daemon` on the loopback. The bar is 1.5 times that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from bough_daemon.store.packs import make_pack
from bough_daemon.sync import connections

from tests.bench.attacks import _scrub
from tests.cli.conftest import Member
from tests.daemon import team_support
from tests.daemon.machines import machines
from tests.daemon.support import git, make_repository
from tests.daemon.team_support import eventually

WIDE, COMMITS, FILE_BYTES = 100, 20, 50_000
PATIENCE = 600.0


def large_repository(root: Path, files: dict[str, list[bytes]]) -> None:
    """Make a repository whose nth commit has the nth content of each file, in one pack."""
    lines = list[bytes]()
    for number in range(max(map(len, files.values()))):
        lines.append(
            b"commit refs/heads/main\ncommitter B <b@example.org> %d +0000\ndata 1\nx\n" % (1_700_000_000 + number)
        )
        for path, contents in files.items():
            if number < len(contents):
                data = contents[number]
                lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "fast-import", "--quiet"], input=b"".join(lines), check=True)
    git(root, "repack", "-adq")


async def save_bytes(folder: Path, files: int, nested: bool, rounds: int) -> list[int]:
    """Return the sizes of the packs of saves that change a line in one file."""

    def path(number: int) -> str:
        return f"a{number // WIDE**2}/b{number // WIDE % WIDE}/f{number}.py" if nested else f"f{number}.py"

    sizes = list[int]()

    async def measured(*arguments: Any) -> Any:
        made = await make_pack(*arguments)
        sizes.append(made[0].size)
        return made

    async with machines(folder) as all_of:
        shutil.rmtree(all_of.origin)
        large_repository(
            all_of.origin, {path(number): [b"def f():\n    return %d\n" % number] for number in range(files)}
        )
        for name in ("alice", "bob"):
            git(folder, "clone", "-qn", str(all_of.origin), name)
        alice, bob = await all_of.team("alice", "bob")
        patient = mock.patch.object(team_support, "DEADLINE", PATIENCE)
        with patient, mock.patch.object(connections, "make_pack", measured):
            for number in range(rounds + 1):
                tip = await alice.save({path(files // 2 + number): b"def f():\n    return 'changed %d'\n" % number})
                await eventually(lambda: bob.tip_of("alice") == tip)
    return sizes[1:]  # the first one brought the branch


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """Serve the repositories of a folder on the loopback, and yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all"]
    served = subprocess.Popen([*command, f"--base-path={folder}", str(folder)])
    try:
        yield f"git://127.0.0.1:{port}"
    finally:
        served.terminate()
        served.wait()


def first_sync(folder: Path, megabytes: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return how many seconds a new hub took until it had everything, and how many `git clone` took."""
    each = megabytes * 1_000_000 // (COMMITS * FILE_BYTES)
    contents = {f"d{n % 10}/f{n}.bin": [os.urandom(FILE_BYTES) for _ in range(COMMITS)] for n in range(each)}
    large_repository(folder / "alice", contents)
    git(folder / "alice", "reset", "-q", "--hard")
    synced, cloned = list[float](), list[float]()
    alice = Member("alice", folder / "alice", folder / "home-alice")
    small = Member("alice", make_repository(folder / "small", {"a.txt": b"one\n"}), alice.home)
    try:
        for one in (small, alice):
            one.bough("up", "--as", "alice")
        (alice.tree / "new.txt").write_text("a save\n")
        alice.bough("save")
        for number in range(rounds):
            with git_daemon(folder) as address:
                began = time.monotonic()
                git(folder, "clone", "-q", "--bare", f"{address}/alice", f"clone{number}")
                cloned.append(time.monotonic() - began)
            name = f"hub{number}"
            hub = Member(name, folder, folder / name)
            options = ("--folder", str(hub.home), "--listen", "127.0.0.1:0", "--as", name)
            try:
                tickets = [one.told("invite", "--listen", "127.0.0.1:0")["ticket"] for one in (small, alice)]
                hub.bough("hub", "join", tickets[0], *options)  # so that it runs
                began = time.monotonic()
                hub.bough("hub", "join", tickets[1], *options)
                alice.bough("save", "--wait", name, "--patience", "50")
                synced.append(time.monotonic() - began)
            finally:
                hub.ends()
    finally:
        alice.ends()
    return synced, cloned


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    for nested in (False, True) if chosen.files else ():
        with tempfile.TemporaryDirectory(prefix="bough-transfer-") as folder:
            _scrub(Path(folder))
            sizes = asyncio.run(save_bytes(Path(folder), chosen.files, nested, chosen.rounds))
            print(
                f"{chosen.files} files, {'nested' if nested else 'in one folder'}: packs of {sizes} bytes", flush=True
            )
    if not chosen.megabytes:
        return
    with tempfile.TemporaryDirectory(prefix="bough-transfer-") as folder:
        _scrub(Path(folder))
        synced, cloned = first_sync(Path(folder), chosen.megabytes, chosen.rounds)
    ratio = statistics.median(synced) / statistics.median(cloned)
    print(json.dumps({"first sync": synced, "git clone": cloned, "ratio": ratio, "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
