"""A home's identity: an Ed25519 key that signs, and a P-256 certificate for TLS that it vouches for.

One file holds everything and is written atomically, so a home has either no identity or a complete one.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from bough_daemon.errors import HomeUnusable, StoreDamaged
from bough_daemon.home import Home
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record, record_from

SERVER_NAME = "bough"  # every certificate names it; the exact certificate identifies a peer
VOUCHED = b"bough certificate 1\0"
LARGEST_CERTIFICATE_BYTES = 2000
SERIAL_AT = 14  # position of the serial number's length: after two headers, the version and a tag
P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # what precedes a point of the curve
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
LONGEST_ECDSA_BYTES = 72  # of a signature of that curve: two numbers of 32 bytes and a sign, in DER
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


@dataclass(frozen=True)
class _IdentityFile:
    """The keys as their file has them, `signing_key` and `certificate` in hexadecimal digits."""

    signing_key: str
    tls_key: str
    certificate: str


def load_identity(home: Home) -> Identity:
    """Return the home's identity, created by the first call; its file is readable only by the user."""
    path = identity_path(home)
    if not os.path.exists(path):
        home.make()
        write_whole(path, _new_identity())
    try:
        return _identity_of(read_record(path, _IdentityFile))
    except (StoreDamaged, ValueError) as damage:
        hint = (
            f"Bring {path} back from a backup, or `bough key import` it; without it your teams will not recognize you."
        )
        raise HomeUnusable(f"{path}, which holds your keys, is damaged", path=path, hint=hint) from damage


def identity_path(home: Home) -> str:
    """Return the path of a home's keys."""
    return home.path("identity.json")


def parse_identity(data: bytes) -> Identity:
    """Return the identity in a file of keys, whose parts match; raise ValueError."""
    found = _identity_of(record_from(data, _IdentityFile))
    tls_key = serialization.load_pem_private_key(found.tls_key, None).public_key()
    if not certificate_is_vouched(found.key, found.certificate, found.vouch):
        raise ValueError("the certificate does not match the key")
    if x509.load_der_x509_certificate(found.certificate).public_key() != tls_key:
        raise ValueError("the TLS key does not match the certificate")
    return found


def _identity_of(kept: _IdentityFile) -> Identity:
    signing_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(kept.signing_key))
    certificate = bytes.fromhex(kept.certificate)
    return Identity(signing_key, kept.tls_key.encode(), certificate, signing_key.sign(VOUCHED + certificate))


def _new_identity() -> bytes:
    signing_key = Ed25519PrivateKey.generate()
    tls_key = ec.generate_private_key(ec.SECP256R1())
    private = tls_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = _new_certificate(tls_key, signing_key.public_key().public_bytes_raw())
    kept = _IdentityFile(signing_key.private_bytes_raw().hex(), private.decode(), certificate.hex())
    return as_json(kept, indent=1)


def _new_certificate(tls_key: ec.EllipticCurvePrivateKey, key: bytes) -> bytes:
    made = _form(key, tls_key.public_key(), x509.random_serial_number()).sign(tls_key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def _form(key: bytes, tls_public: ec.EllipticCurvePublicKey, serial: int) -> x509.CertificateBuilder:
    """Return the only form of the certificate of the holder of `key`, without the signature."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject_of(key))])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(tls_public)
        .serial_number(serial)
        .not_valid_before(FIRST_DAY)
        .not_valid_after(LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
    )


def subject_of(key: bytes) -> str:
    """Return the common name in a certificate vouched for by `key`.

    OpenSSL finds a root by its subject, so two members of one team must never have the same.
    """
    return "bough " + hashlib.sha256(key).hexdigest()[:40]


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` is the key holder's signature of `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def certificate_is_vouched(key: bytes, certificate: bytes, vouch: bytes) -> bool:
    """Return whether `certificate` (DER) is one that Bough created for the holder of `key`, who vouches for it."""
    return verify(key, vouch, VOUCHED + certificate) and _is_in_form(key, certificate)


def _is_in_form(key: bytes, certificate: bytes) -> bool:
    """Return whether a certificate is byte for byte what Bough creates, for some TLS key and serial number.

    Nothing parses it before that is certain: two parsers may disagree on what they accept, and one certificate that
    gRPC's rejects would invalidate the whole list that contains it.
    """
    if len(certificate) > LARGEST_CERTIFICATE_BYTES:
        return False
    point = certificate.find(P256) + len(P256)
    serial = certificate[SERIAL_AT + 1 :][: certificate[SERIAL_AT] if len(certificate) > SERIAL_AT else 0]
    try:
        tls_public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), certificate[point : point + 65])
        form = _form(key, tls_public, int.from_bytes(serial, "big"))
    except ValueError:
        return False
    signed = form.sign(_anybody(), hashes.SHA256()).tbs_certificate_bytes
    signature = certificate[4 + len(signed) + len(ECDSA_SHA256) + 3 :]
    if len(signature) > LONGEST_ECDSA_BYTES:
        return False
    rest = signed + ECDSA_SHA256 + b"\3" + bytes([len(signature) + 1, 0]) + signature
    if certificate != b"\x30\x82" + len(rest).to_bytes(2, "big") + rest:
        return False
    try:
        tls_public.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        return encode_dss_signature(*decode_dss_signature(signature)) == signature
    except (InvalidSignature, ValueError):
        return False


@cache
def _anybody() -> ec.EllipticCurvePrivateKey:
    """Return a key for signatures that nobody checks."""
    return ec.generate_private_key(ec.SECP256R1())


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
    """Return the bytes to sign for `fields`: what they are about, and each with its length before it.

    So no two lists of fields, and no two kinds of statement, have the same bytes.
    """
    parts = [b"bough " + about.encode() + b" 1\0"]
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode()
        parts += [len(data).to_bytes(4, "big"), data]
    return b"".join(parts)
