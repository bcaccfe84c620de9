"""What every test gets: a scrubbed environment, real Git, and a check that nothing was leaked."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SKIPPED: list[str] = []

# Every command that a test types is a process of its own, which would compile all of Bough each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile(
    "short", max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("short")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the lengthy tests, in whatever order: begun last, one would keep one process busy and no other."""
    items.sort(key=lambda item: item.get_closest_marker("lengthy") is None)


def pytest_collection_finish() -> None:
    """Leave out of every collection of garbage what was imported and collected: it stays."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember why tests were skipped."""
    if report.skipped and isinstance(report.longrepr, tuple):
        SKIPPED.append(report.longrepr[2])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a test was skipped for want of something that BOUGH_TEST_REQUIRE names."""
    missing = [why for why in SKIPPED for need in os.environ.get("BOUGH_TEST_REQUIRE", "").split() if need in why]
    if missing and session.exitstatus == 0:
        print(f"\nrequired here, and missing: {'; '.join(sorted(set(missing)))}")
        session.exitstatus = 1


@pytest.fixture(autouse=True)
def scrubbed_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a HOME of its own and no variable that changes what Git or Bough does."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "BOUGH_", "XDG_")) and name not in ("BOUGH_TEST_REQUIRE", "BOUGH_WRITE_GOLDEN"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Alice Example\n\temail = alice@example.org\n[init]\n\tdefaultBranch = main\n"
        '[protocol "file"]\n\tallow = always\n[commit]\n\tgpgSign = false\n'
        # Without what git does on its own after a command, and without waiting for the disk, in the user's repository.
        "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[core]\n\tfsync = none\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")  # a machine with Git LFS has its filters in /etc/gitconfig
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(autouse=True)
def nothing_leaked() -> Iterator[None]:
    """Fail a test that leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    for thread in started:
        thread.join(timeout=5)
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads left running: {left}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose name has a space and an umlaut."""
    made = tmp_path / "a földer"
    made.mkdir()
    return made
