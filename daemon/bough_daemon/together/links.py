"""Who is whose guest, as each branch's snapshots say."""

from __future__ import annotations

from collections.abc import Mapping


def host_of(name: str, hosts: Mapping[str, str]) -> str:
    """Return the branch that a guest's edits go into, empty for none. `hosts`: the host that each branch names.

    If a chain of guests is circular, the first of them by name is nobody's guest: everyone comes to the same result.
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
    """Return the branches whose edits go into this one."""
    return sorted(guest for guest in hosts if host_of(guest, hosts) == name)
