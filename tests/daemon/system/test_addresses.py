"""Addresses as users write them and as peers are told."""

from __future__ import annotations

import pytest
from bough_daemon.errors import BadUsage
from bough_daemon.system.addresses import (
    is_address,
    is_everywhere,
    is_loopback,
    join_address,
    parse_listen,
    ports_for,
    reachable_hosts,
    split_address,
)


@pytest.mark.parametrize(
    ("listen", "meant"),
    [
        ("127.0.0.1", ("127.0.0.1", 0)),
        ("127.0.0.1:4000", ("127.0.0.1", 4000)),
        (":4000", ("[::]", 4000)),
        ("0.0.0.0", ("0.0.0.0", 0)),
        ("::1", ("[::1]", 0)),
        ("[::1]:4000", ("[::1]", 4000)),
        ("build.example.org:4000", ("build.example.org", 4000)),
    ],
)
def test_what_to_listen_on_is_read_as_it_is_meant(listen: str, meant: tuple[str, int]) -> None:
    assert parse_listen(listen) == meant


@pytest.mark.parametrize("listen", ["", "a b", "host:port", "host:99999", "unix:/tmp/x", "[::1"])
def test_what_is_no_address_is_wrong_usage(listen: str) -> None:
    with pytest.raises(BadUsage):
        parse_listen(listen)


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "example.org"])
def test_an_address_is_split_as_it_was_joined(host: str) -> None:
    assert split_address(join_address(host, 80)) == (host, 80)
    assert is_address(join_address(host, 80))


def test_listening_everywhere_is_reached_at_every_address_and_loopback_comes_last() -> None:
    assert is_everywhere("[::]") and is_everywhere("0.0.0.0") and not is_everywhere("10.0.0.1")
    hosts = reachable_hosts("[::]")
    assert hosts[-1] in ("127.0.0.1", "::1") and len(hosts) == len(set(hosts))
    assert reachable_hosts("[::1]") == ["::1"]


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_loopback_is_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_a_port_that_is_to_last_is_none_that_an_outgoing_connection_is_given() -> None:
    *chosen, last = ports_for(0)
    first_given = 32_768  # the lowest of any system's, by ip(7)
    assert all(1024 < port < first_given for port in chosen) and len(set(chosen)) == len(chosen) > 1
    assert last == 0 and ports_for(4000) == [4000]
