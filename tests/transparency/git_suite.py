"""Run scripts of git's own test-suite with and without the daemon attached, and compare what they say.

`python tests/transparency/git_suite.py SOURCE [SCRIPT…]`: SOURCE is a built tree of git's own (`make`); without
scripts, those in SCRIPTS run. Each runs twice: as it is, and with its repository made live as soon as it has a commit,
while the script goes on. A test that says otherwise then is named, and the exit code is 1. Two minutes or more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running
from bough_daemon.errors import BoughError, DaemonNotRunning
from bough_daemon.home import Home

SCRIPTS = """
t1400-update-ref t1410-reflog t2020-checkout-detach t2200-add-update t3200-branch t3404-rebase-interactive
t3501-revert-cherry-pick t3700-add t3701-add-interactive t3903-stash t4200-rerere t5304-prune t5400-send-pack
t5505-remote t5510-fetch t5516-fetch-push t6500-gc t7004-tag t7062-wtstatus-ignorecase t7063-status-untracked-cache
t7102-reset t7201-co t7300-clean t7400-submodule-basic t7501-commit-basic-functionality
t7508-status t7600-merge t7700-repack
""".split()
TAP = re.compile(r"^(ok|not ok) \d+ - (.*)$", re.MULTILINE)
PAUSE = 0.02  # seconds between looks whether the repository can be live


@dataclass
class Attached:
    """Keep a repository live from the moment it can be; `stop` ends it.

    `snapshots`: how many there were in the end; `failures`: why it could not be live, apart from having no commit.
    """

    root: Path
    home: Home
    snapshots: int = 0
    failures: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the daemon."""
        self._stopped.set()
        self._thread.join()
        with suppress(BoughError), Client(self.home) as daemon:
            self.snapshots = len(daemon.log(str(self.root), "", 1_000_000).entries)
        with suppress(BoughError), Client(self.home) as daemon:
            daemon.shutdown()

    def _run(self) -> None:
        ensure_running(self.home)
        with Client(self.home) as daemon:
            live = False
            while not self._stopped.wait(PAUSE):
                try:
                    if not live and (self.root / ".git").exists():
                        daemon.up(str(self.root), "tester")
                    live = (self.root / ".git").exists()
                except DaemonNotRunning:
                    raise
                except BoughError as failure:
                    self.failures.add(type(failure).__name__)


def run(source: Path, script: str, root: Path) -> dict[str, str]:
    """Run a script in a folder of its own and return what it says of each test, by the test's title."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "BOUGH_"))}
    said = subprocess.run(
        ["sh", f"./{script}.sh", f"--root={root}", "--debug", "--no-chain-lint"],
        cwd=source / "t",
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    ).stdout.decode(errors="replace")
    return {title: word for word, title in TAP.findall(said)}


def compare(source: Path, script: str, folder: Path) -> bool:
    """Run a script both ways, print how it went, and return whether it says the same."""
    alone = run(source, script, folder / "alone")
    attached = Attached(folder / "live" / f"trash directory.{script}", Home(str(folder / "home"), str(folder)))
    try:
        live = run(source, script, folder / "live")
    finally:
        attached.stop()
    other = sorted(title for title in alone.keys() | live.keys() if alone.get(title) != live.get(title))
    passed = sum(word == "ok" for word in live.values())
    notes = f" ({', '.join(sorted(attached.failures))})" if attached.failures else ""
    print(f"{script}: {passed} of {len(live)} pass, {attached.snapshots} snapshots{notes}", flush=True)
    for title in other:
        print(f"  alone {alone.get(title)}, live {live.get(title)}: {title}")
    return not other and bool(live)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("scripts", nargs="*")
    asked = parser.parse_args()
    good = 0
    scripts = asked.scripts or SCRIPTS
    for script in scripts:
        with tempfile.TemporaryDirectory(prefix="bough-transparency-") as folder:
            good += compare(asked.source.resolve(), script.removesuffix(".sh"), Path(folder))
    print(f"{good} of {len(scripts)} scripts say the same with the daemon attached")
    return 0 if good == len(scripts) else 1


if __name__ == "__main__":
    sys.exit(main())
