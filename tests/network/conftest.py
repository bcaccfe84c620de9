"""Members on hosts of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cli.conftest import Member
from tests.daemon.support import git, make_repository
from tests.network.networks import Network, network


def is_long() -> bool:
    """Return whether the long form is run, with the times of the bars: `--hypothesis-profile=long`."""
    return settings.get_current_profile_name() == "long"


@pytest.fixture
def long_form() -> None:
    """Skip a test that takes long where the long form is not asked for."""
    if not is_long():
        pytest.skip("takes long: --hypothesis-profile=long")


@pytest.fixture
def net() -> Iterator[Network]:
    """A network, empty at first."""
    with network() as made:
        yield made


@pytest.fixture
def member(tmp_path: Path, net: Network) -> Iterator[Callable[..., Member]]:
    """Make members, each on a host that is there already, or else on one of their own on the switch."""
    made: list[Member] = []

    def make(name: str, variables: dict[str, str] | None = None) -> Member:
        tree = tmp_path / name
        if made:
            git(tmp_path, "clone", "-q", str(made[0].tree), str(tree))
        else:
            make_repository(tree, {"a.txt": b"one\n"})
        git(tree, "config", "user.name", name.title())
        git(tree, "config", "user.email", f"{name}@example.org")
        made.append(Member(name, tree, tmp_path / f"home-{name}", variables or net.host(name)))
        return made[-1]

    yield make
    for one in made:
        one.ends()
