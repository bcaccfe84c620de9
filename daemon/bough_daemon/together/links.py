"""Who is in whose branch, as everyone says of themselves: who hosts where they are in each other's."""

from __future__ import annotations

from collections.abc import Mapping


def host_of(name: str, hosts: Mapping[str, str]) -> str:
    """Return the branch that a guest's edits go into, empty for none. `hosts`: whose guest each says to be.

    Where a chain of guests leads back to its beginning, the first of them by name is nobody's guest: everyone sees that
    alike.
    """
    host = hosts.get(name, "")
    if not host or host == name:
        return ""
    circle, at = [name], host
    while at and at not in circle:
        circle.append(at)
        at = hosts.get(at, "")
    return "" if at == name and name == min(circle) else host


def guests_of(name: str, hosts: Mapping[str, str]) -> list[str]:
    """Return the branches whose edits go into one."""
    return sorted(guest for guest in hosts if host_of(guest, hosts) == name)
