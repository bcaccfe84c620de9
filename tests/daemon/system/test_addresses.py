"""Addresses as users write them and as peers are told."""

from __future__ import annotations

import ifaddr
import pytest
from bough_daemon.errors import BadUsage
from bough_daemon.system import addresses
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
    assert hosts[-1] == "127.0.0.1" and len(hosts) == len(set(hosts))
    assert reachable_hosts("[::1]") == ["::1"]


class Adapter:
    """A network interface as ifaddr tells of it."""

    def __init__(self, *addresses: str | tuple[str, int, int]) -> None:
        self.ips = [ifaddr.IP(address, 24, "eth0") for address in addresses]


def test_each_address_of_each_interface_is_told_that_others_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = Adapter("127.0.0.1", ("::1", 0, 0))
    wired = Adapter("10.0.0.7", ("fe80::1", 0, 4), ("2001:db8:1::7", 0, 0))
    wireless = Adapter("10.0.0.9", "169.254.1.1", ("2001:db8:2::9", 0, 0))
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [loopback, wired, wireless])
    monkeypatch.setattr(addresses, "outward_addresses", lambda: ["10.0.0.9", "2001:db8:2::9"])
    reached = ["10.0.0.7", "10.0.0.9", "2001:db8:1::7", "2001:db8:2::9", "127.0.0.1"]
    assert reachable_hosts("[::]") == reached
    assert reachable_hosts("0.0.0.0") == [host for host in reached if ":" not in host]


def test_a_system_that_does_not_tell_its_interfaces_leaves_the_address_it_speaks_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise PermissionError("no netlink here")

    monkeypatch.setattr(ifaddr, "get_adapters", refuse)
    monkeypatch.setattr(addresses, "outward_addresses", lambda: ["10.0.0.9"])
    assert reachable_hosts("[::]") == ["10.0.0.9", "127.0.0.1"]


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
