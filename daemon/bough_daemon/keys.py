"""Who this home is: an Ed25519 key that signs, and a P-256 certificate for TLS that it vouches for.

One file holds all of it and is written whole, so a home has either no identity yet or a complete one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from bough_daemon.durable import write_whole
from bough_daemon.errors import HomeUnusable
from bough_daemon.home import Home

SERVER_NAME = "bough"  # every certificate names it; who a peer is, is decided by the exact certificate
VOUCHED = b"bough certificate 1\0"
FIRST_DAY, LAST_DAY = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)


@dataclass(frozen=True)
class Identity:
    """A signing key with its certificate. `tls_key`: PEM; `certificate`: DER; `vouch`: the key's word for it."""

    signing_key: Ed25519PrivateKey
    tls_key: bytes
    certificate: bytes
    vouch: bytes

    @property
    def key(self) -> bytes:
        """The public signing key, 32 bytes."""
        return self.signing_key.public_key().public_bytes_raw()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as gRPC wants it."""
        return pem_of(self.certificate)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`, 64 bytes."""
        return self.signing_key.sign(message)


def load_identity(home: Home) -> Identity:
    """Return the home's identity, made at the first call; its file is readable by the user alone."""
    path = home.path("identity.json")
    if not os.path.exists(path):
        home.make()
        write_whole(path, _new_identity())
    try:
        with open(path, "rb") as source:
            kept = json.load(source)
        signing_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(kept["signing_key"]))
        certificate = bytes.fromhex(kept["certificate"])
    except (ValueError, KeyError, TypeError) as damage:
        hint = f"Bring {path} back from a backup; without it you are a stranger to your teams."
        raise HomeUnusable(f"{path}, which holds your keys, is damaged", path=path, hint=hint) from damage
    return Identity(signing_key, kept["tls_key"].encode(), certificate, signing_key.sign(VOUCHED + certificate))


def _new_identity() -> bytes:
    signing_key = Ed25519PrivateKey.generate()
    tls_key = ec.generate_private_key(ec.SECP256R1())
    private = tls_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = _new_certificate(tls_key, signing_key.public_key().public_bytes_raw())
    kept = {
        "signing_key": signing_key.private_bytes_raw().hex(),
        "tls_key": private.decode(),
        "certificate": certificate.hex(),
    }
    return json.dumps(kept, indent=1).encode()


def _new_certificate(tls_key: ec.EllipticCurvePrivateKey, key: bytes) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject_of(key))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(tls_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FIRST_DAY)
        .not_valid_after(LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .sign(tls_key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def subject_of(key: bytes) -> str:
    """Return the common name that a certificate vouched for by `key` must bear.

    OpenSSL finds a root by its subject; so two members of one team never have the same.
    """
    return "bough " + hashlib.sha256(key).hexdigest()[:40]


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` is the word of the holder of `key` on `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def certificate_is_vouched(key: bytes, certificate: bytes, vouch: bytes) -> bool:
    """Return whether `certificate` (DER) is a P-256 certificate of the holder of `key`."""
    if not verify(key, vouch, VOUCHED + certificate):
        return False
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        names = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        public = parsed.public_key()
    except ValueError:
        return False
    of_the_curve = isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    return of_the_curve and [name.value for name in names] == [subject_of(key)]


def fingerprint(certificate: bytes) -> bytes:
    """Return the SHA-256 of a certificate (DER), 32 bytes."""
    return hashlib.sha256(certificate).digest()


def pem_of(certificate: bytes) -> bytes:
    """Return a certificate in PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)


def der_of(pem: bytes) -> bytes:
    """Return a certificate in DER."""
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def statement(about: str, *fields: bytes | str | int) -> bytes:
    """Return the bytes that are signed for `fields`: what they are about, and each with its length before it.

    So no two lists of fields, and no two kinds of statement, have the same bytes.
    """
    parts = [b"bough " + about.encode() + b" 1\0"]
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        parts += [len(data).to_bytes(4, "big"), data]
    return b"".join(parts)
