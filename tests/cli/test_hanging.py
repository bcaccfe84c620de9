"""Whatever hangs, `status` tells of it and `down` ends it; rules that cannot be read let nothing out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until

# Root reads everything; without these capabilities it is a user like others (capabilities(7), prctl(2)).
AS_A_USER = """
import ctypes, os, sys
for capability in (1, 2) if os.geteuid() == 0 else ():  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, "-P", "-m", "bough_cli", *sys.argv[1:]])
"""


def processes(words: str) -> list[int]:
    """Return the processes whose command line has some words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if words in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="this looks into /proc")
@pytest.mark.parametrize("everything", [True, False], ids=["down --all", "down"])
def test_status_names_what_hangs_and_down_ends_it(alice: Member, everything: bool, tmp_path: Path) -> None:
    sleep = f"sleep 1000.{os.getpid()}{int(everything)}"
    alice.git("config", "filter.up.clean", f"{sleep}; true")
    (alice.tree / ".gitattributes").write_text("*.up filter=up\n")
    alice.bough("up")
    (alice.tree / "x.up").write_text("x")
    until(lambda: bool(processes(sleep)))
    told = alice.bough("status")
    assert "recording waits for `git hash-object` (process " in told and f"which runs `{sleep}`), for " in told
    assert "Find out what it waits for: a filter" in told
    began = time.monotonic()
    alice.bough("down", *(["--all"] if everything else []))
    assert time.monotonic() - began < 20  # 3 seconds on an idle machine; without an end it would be 60
    until(lambda: not processes(sleep))


def test_rules_that_may_not_be_read_let_nothing_out(members: Callable[[str], Member]) -> None:
    alice = members("alice")
    (alice.tree / ".gitignore").write_text("private/\n")
    (alice.tree / "private").mkdir()
    (alice.tree / "private/plan.txt").write_text("secret\n")
    alice.git("add", "-A")
    alice.git("commit", "-qm", "rules")

    def bough(*words: str) -> str:
        command = [sys.executable, "-P", "-c", AS_A_USER, *words]
        environment = dict(os.environ) | {"BOUGH_HOME": str(alice.home)}
        return subprocess.run(command, cwd=alice.tree, env=environment, capture_output=True, check=True).stdout.decode()

    bough("up")
    (alice.tree / ".gitignore").chmod(0)
    (alice.tree / "a.txt").write_text("changed\n")
    until(lambda: "until Git can read it" in bough("status"))
    bough("save")
    store = alice.tree / ".git/bough/store.git"
    names = subprocess.run(
        ["git", "-C", str(store), "ls-tree", "-r", "--name-only", "alice"], capture_output=True, check=True
    ).stdout.decode()
    assert names.split() == [".gitignore", "a.txt", "src/b.py"]
    assert "1 file changed since the last commit: a.txt" in bough("status")
    (alice.tree / ".gitignore").chmod(0o644)
    until(lambda: "withheld" not in bough("status"))
