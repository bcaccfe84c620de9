"""What is around the product in a simulation: its clock, its files, and signatures that are checked once each.

Nothing of the product is replaced but where it looks at the clock and writes its files. What was checked or computed
before, of byte for byte the same, is remembered.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TypeVar
from unittest.mock import patch

from bough_daemon.sync import joining
from bough_daemon.system.json_records import as_json, record_from
from bough_daemon.team import branch_state, departures, identity, purges, roster, team_files, vouches
from bough_daemon.team.identity import VOUCHED, Identity
from bough_daemon.team.team_files import Team
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

EPOCH = 1_800_000_000_000
REMEMBERED = 1 << 16

T = TypeVar("T")


@cache
def person(label: str) -> Identity:
    """Return the identity that belongs to a label: the same one in every process, so that a seed says everything."""
    signing_key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"sign {label}".encode()).digest())
    number = int.from_bytes(hashlib.sha256(f"tls {label}".encode()).digest()[:31], "big") + 1
    tls_key = ec.derive_private_key(number, ec.SECP256R1())
    public = signing_key.public_key().public_bytes_raw()
    made = identity._form(public, tls_key.public_key(), number >> 100).sign(
        tls_key, hashes.SHA256(), ecdsa_deterministic=True
    )
    certificate = made.public_bytes(serialization.Encoding.DER)
    return Identity(signing_key, b"", certificate, signing_key.sign(VOUCHED + certificate))


@dataclass
class Surroundings:
    """The files that were written, by folder and name, and the time (milliseconds) on the machine whose turn it is."""

    now: int = EPOCH
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def write(self, path: str, data: bytes) -> None:
        """Keep a file, whole; it is what a machine has after a crash."""
        folder, name = os.path.split(path)
        self.files.setdefault(folder, {})[name] = data

    def load(self, folder: str) -> Team:
        """Read a team as the product does, from what was written down of it."""
        files = self.files[folder]

        def read(path: str, kind: type[T]) -> T:
            return record_from(files[os.path.basename(path)], kind)

        with (
            patch.object(team_files, "read_record", read),
            patch("os.path.exists", lambda path: os.path.basename(path) in files),
        ):
            return Team.load(folder)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the product look at this clock and write these files until the end of the block."""
        with ExitStack() as stack:
            for module in (joining, team_files):
                stack.enter_context(patch.object(module, "now_ms", lambda: self.now))
            stack.enter_context(patch.object(team_files, "write_whole", self.write))
            # Without the indentation, which takes most of the time.
            stack.enter_context(patch.object(team_files, "as_json", lambda record, indent=None: as_json(record)))
            yield


@contextmanager
def signatures_checked_once() -> Iterator[None]:
    """Remember the answers to checks of signatures until the end of the block."""
    with ExitStack() as stack:
        for module in (branch_state, departures, purges, roster, vouches):
            stack.enter_context(patch.object(module, "statement", lru_cache(REMEMBERED)(module.statement)))
            stack.enter_context(patch.object(module, "verify", lru_cache(REMEMBERED)(module.verify)))
        vouched = lru_cache(REMEMBERED)(identity.certificate_is_vouched)
        stack.enter_context(patch.object(roster, "certificate_is_vouched", vouched))
        yield
