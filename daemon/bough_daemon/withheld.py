"""What stays at home: paths that are recorded on the member's own branch but never leave in the stream."""

from __future__ import annotations

import re

from bough_daemon.objects import FILE, Entry, Objects

SIZE_LIMIT_BYTES = 10 * 1000 * 1000

SECRET = re.compile(
    r"""
      \.env (\.(?!example$|sample$|template$|dist$|defaults$).*)?   # .env, .env.local; not .env.example
    | .* \. (pem|key|p12|pfx|pkcs12|jks|keystore|kdbx|ppk)
    | id_(rsa|dsa|ecdsa|ed25519)(_sk)?
    | \.netrc | \.pgpass | \.pypirc | \.htpasswd | \.git-credentials
    | .*\.tfvars(\.json)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_secret(path: str) -> bool:
    """Return whether a path's last part is named as keys, keystores and environments with passwords are."""
    return SECRET.fullmatch(path.rsplit("/", 1)[-1]) is not None


def withheld_paths(objects: Objects, base_tree: str, tree: str) -> dict[str, str]:
    """Return the reason for each path of `tree` that must not leave; what the base has already may."""
    reasons: dict[str, str] = {}
    for path, before, now in objects.difference(base_tree, tree):
        if now is None:
            continue
        if is_secret(path):
            reasons[path] = "named like a secret"
        elif before is None and now.mode & FILE == FILE and objects.size(now.oid) > SIZE_LIMIT_BYTES:
            reasons[path] = "not committed yet, and larger than 10 MB"
    return reasons


def shared_tree(objects: Objects, base_tree: str, tree: str, withheld: dict[str, str]) -> str:
    """Return `tree` with every withheld path as the base has it, or without it."""
    if not withheld:
        return tree
    back: dict[str, Entry | None] = {path: objects.entry(base_tree, path) for path in withheld}
    return objects.splice(tree, back)
