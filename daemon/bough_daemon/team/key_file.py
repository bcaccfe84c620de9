"""A home's keys in a separate file, protected by a passphrase, in case the machine is lost.

The identity file itself is sealed, so that an import restores the same member with the same certificate. The sealing
key is derived from the passphrase by scrypt (RFC 7914), with a salt; the seal is ChaCha20-Poly1305 (RFC 8439).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bough_daemon.errors import BadPassphrase, BoughError, HomeUnusable, KeyNotOpened, OtherKeyHere
from bough_daemon.git.worktree import Worktree
from bough_daemon.home import Home
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import BadRecord, as_json, record_from
from bough_daemon.team.fingerprints import readable_fingerprint
from bough_daemon.team.identity import Identity, identity_path, load_identity, parse_identity
from bough_daemon.team.team_files import note_of

FORMAT = 1
COST, BLOCK, LANES = 2**17, 8, 1  # 128 MiB and about half a second per guess
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
SHORTEST = 8  # characters of a passphrase
LARGEST_BYTES = 64 << 10


@dataclass(frozen=True)
class _KeyFile:
    """The file. `bough_key`: its format. `fingerprint`: of the key, for people; it is part of the sealed data."""

    bough_key: int
    fingerprint: str
    salt: bytes
    nonce: bytes
    sealed: bytes


def signing_home(home: Home, path: str) -> Home:
    """Return the part of a home whose key signs in the repository around `path`; outside of one, the home itself.

    A clone that is a separate member has its own key, and so has one that joined again after a removal.
    """
    try:
        clone = note_of(os.path.join(Worktree.find(path).common_dir, "bough")).clone
    except BoughError:
        clone = ""
    return home.clone(clone) if clone and os.path.exists(identity_path(home.clone(clone))) else home


def export_key(home: Home, passphrase: str) -> bytes:
    """Return the keys of a home as a file protected by a passphrase; raise BadPassphrase if that is too short."""
    if len(passphrase) < SHORTEST:
        raise BadPassphrase(f"a passphrase has at least {SHORTEST} characters")
    fingerprint = readable_fingerprint(load_identity(home).key)
    with home.used(), open(identity_path(home), "rb") as source:
        plain = source.read()
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(nonce, plain, _header(fingerprint))
    return as_json(_KeyFile(FORMAT, fingerprint, salt, nonce, sealed), indent=1)


def open_key(data: bytes, passphrase: str) -> bytes:
    """Return the sealed identity file in a key file; raise KeyNotOpened."""
    try:
        if len(data) > LARGEST_BYTES:
            raise BadRecord("it is too large")
        kept = record_from(data, _KeyFile)
    except (BadRecord, UnicodeDecodeError) as damage:
        raise KeyNotOpened("this is not a key that `bough key export` wrote, or it is damaged") from damage
    if kept.bough_key != FORMAT:
        raise KeyNotOpened("this key was exported by a newer Bough; update this one")
    try:
        cipher = ChaCha20Poly1305(_key(passphrase, kept.salt))
        plain = cipher.decrypt(kept.nonce, kept.sealed, _header(kept.fingerprint))
        parse_identity(plain)
    except (InvalidTag, ValueError) as damage:
        raise KeyNotOpened("the passphrase is wrong, or the file is damaged") from damage
    return plain


def import_key(home: Home, plain: bytes, *, replace: bool = False) -> tuple[Identity, str]:
    """Make the keys in an identity file those of a home; return them, and where the previous keys are kept.

    That is empty if there were none, or the same. Raises OtherKeyHere unless others may be replaced. No daemon may be
    running. At any kill the home has its previous keys, or all of the new ones.
    """
    identity, path, kept = parse_identity(plain), identity_path(home), ""
    home.make()
    with home.used():
        if os.path.exists(path):
            before = _fingerprint_at(home)
            if before == readable_fingerprint(identity.key):
                return identity, ""
            if not replace:
                raise OtherKeyHere(f"this home already has another key: {before}", home=home.root)
            kept = home.path(f"identity-{before}.json")
            with open(path, "rb") as source:
                write_whole(kept, source.read())
        write_whole(path, plain)
    return identity, kept


def _fingerprint_at(home: Home) -> str:
    try:
        return readable_fingerprint(load_identity(home).key)
    except HomeUnusable:
        return "damaged"


def _header(fingerprint: str) -> bytes:
    return f"bough key {FORMAT}\0{fingerprint}".encode()


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt, KEY_BYTES, COST, BLOCK, LANES).derive(passphrase.encode("utf-8", "surrogateescape"))
