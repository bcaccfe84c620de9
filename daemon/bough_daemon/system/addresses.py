"""Addresses: how this machine is reached, and how they are written: `host:port`, with brackets around IPv6."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import re
import socket

from bough_daemon.errors import BadAddress

FORM = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
LOOPBACK = "127.0.0.1"
EVERYWHERE = "[::]"
# A port to choose when any will do: below those that systems give to outgoing connections (from 32768 on Linux, from
# 49152 elsewhere), which might hold the port when a daemon returns to it.
LASTING_PORTS = range(21_000, 26_000)
TRIED_PORTS = 16
LARGEST_PORT, LONGEST_ADDRESS = 65535, 255
MOST_ADVERTISED = 4


def is_address(text: str) -> bool:
    """Return whether a text is of the form `host:port`."""
    return FORM.fullmatch(text) is not None


def split_address(address: str) -> tuple[str, int]:
    """Return host (without brackets) and port of a well-formed address, or raise BadUsage."""
    found = FORM.fullmatch(address)
    if found is None or int(found["port"]) > LARGEST_PORT:
        raise BadAddress(f"{address!r} is not of the form HOST:PORT", address=address)
    return found["host"].strip("[]"), int(found["port"])


def join_address(host: str, port: int) -> str:
    """Return `host:port`, with brackets where they are needed."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def parse_listen(listen: str) -> tuple[str, int]:
    """Parse a listen address: `HOST`, `HOST:PORT` or `:PORT`; port 0 is any free one."""
    if re.fullmatch(r":[0-9]+", listen):
        listen = EVERYWHERE + listen
    if FORM.fullmatch(listen):
        host, port = split_address(listen)
    else:
        host, port = split_address(join_address(listen, 0))
    return (f"[{host}]" if ":" in host else host), port


def parse_advertised(addresses: str) -> tuple[str, ...]:
    """Parse the addresses to advertise, `HOST:PORT` each, separated by commas; or raise BadUsage."""
    found = tuple(dict.fromkeys(one.strip() for one in addresses.split(",") if one.strip()))
    for address in found:
        if not 0 < split_address(address)[1] < LARGEST_PORT or len(address) > LONGEST_ADDRESS:
            raise BadAddress(f"{address!r} cannot be called: name a host and a port below {LARGEST_PORT}")
    if len(found) > MOST_ADVERTISED:
        raise BadAddress(f"at most {MOST_ADVERTISED} addresses can be advertised")
    return found


def next_port(address: str) -> str:
    """Return the address with the next port, where new members are served."""
    host, port = split_address(address)
    return join_address(host, port + 1)


def ports_for(port: int) -> list[int]:
    """Return the ports to try for a requested one, in order; for 0, a few random ones."""
    return [*random.sample(LASTING_PORTS, TRIED_PORTS), 0] if port == 0 else [port]


def is_everywhere(host: str) -> bool:
    """Return whether listening on `host` means every interface."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    return False


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine alone."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost"


def reachable_hosts(host: str) -> list[str]:
    """Return the hosts by which others reach this machine when it listens on `host`: public first, loopback last."""
    if not is_everywhere(host):
        return [host.strip("[]")]
    served = (4,) if "." in host else (4, 6)  # `0.0.0.0` is not reached by IPv6
    found = {ipaddress.ip_address(one) for one in (*outward_addresses(), *_of_interfaces())}
    usable = (one for one in found if one.version in served and not one.is_link_local and not one.is_loopback)
    return [*(str(one) for one in sorted(usable, key=lambda one: (one.version, one))), LOOPBACK]


def private_addresses() -> list[str]:
    """Return this machine's IPv4 addresses on private networks, loopback not among them."""
    found = (ipaddress.ip_address(one) for one in (*outward_addresses(), *_of_interfaces()))
    usable = {one for one in found if one.version == 4 and one.is_private and not one.is_loopback}
    return [str(one) for one in sorted(usable, key=int)]


def outward_addresses() -> list[str]:
    """Return the addresses that this machine would send from; nothing is sent."""
    return [one for one in map(source_for, ("192.0.2.1", "2001:db8::1")) if one]


def source_for(host: str) -> str:
    """Return the address from which this machine would reach another (an IP address); empty: it has no route."""
    with contextlib.suppress(ValueError, OSError):
        family = socket.AF_INET if ipaddress.ip_address(host).version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    return ""


def is_numeric(host: str) -> bool:
    """Return whether a host is an IP address, in brackets or not; another one is a name that has to be looked up."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def is_here(host: str) -> bool:
    """Return whether an IP address, in brackets or not, currently belongs to this machine; that of all of them does.

    A name is looked up, which may take seconds.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((host.strip("[]"), 0))
        return True
    return False


def _of_interfaces() -> list[str]:
    """Return the addresses of every network interface; none if the system does not say."""
    import ifaddr  # asks ldconfig for the C library, 20 ms: only needed to listen on every interface

    try:
        return [
            one.ip if isinstance(one.ip, str) else one.ip[0] for adapter in ifaddr.get_adapters() for one in adapter.ips
        ]
    except OSError:
        return []
