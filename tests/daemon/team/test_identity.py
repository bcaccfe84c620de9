"""Who a home is."""

from __future__ import annotations

import datetime
import os
import stat
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bough_daemon.home import Home
from bough_daemon.team import identity
from bough_daemon.team.identity import Identity, certificate_is_vouched, load_identity, statement, verify
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st


def identity_of(folder: Path) -> Identity:
    """Return the identity of a home at `folder`."""
    return load_identity(Home(str(folder), str(folder)))


@cache
def someone() -> Identity:
    """Return the identity of anybody."""
    with TemporaryDirectory() as folder:
        return identity_of(Path(folder))


def test_a_home_keeps_its_identity(tmp_path: Path) -> None:
    first, again = identity_of(tmp_path / "h"), identity_of(tmp_path / "h")
    assert (first.key, first.certificate, first.vouch) == (again.key, again.certificate, again.vouch)
    assert identity_of(tmp_path / "other").key != first.key


def test_only_the_user_can_read_the_keys(tmp_path: Path) -> None:
    identity_of(tmp_path / "h")
    assert stat.S_IMODE(os.stat(tmp_path / "h").st_mode) == 0o700
    for path in (tmp_path / "h").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_home_that_was_killed_while_its_keys_were_written_has_none_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(source: str, target: str) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "replace", killed)
        identity_of(tmp_path / "h")
    assert not (tmp_path / "h" / "identity.json").exists()
    assert identity_of(tmp_path / "h").key == identity_of(tmp_path / "h").key


def test_a_certificate_is_vouched_for_by_its_own_key_alone(tmp_path: Path) -> None:
    alice, bob = identity_of(tmp_path / "a"), identity_of(tmp_path / "b")
    assert certificate_is_vouched(alice.key, alice.certificate, alice.vouch)
    assert not certificate_is_vouched(bob.key, alice.certificate, alice.vouch)
    assert not certificate_is_vouched(alice.key, bob.certificate, alice.vouch)
    # Not even by its word, where the certificate bears another's name: OpenSSL would mix the two up.
    vouch = alice.sign(identity.VOUCHED + bob.certificate)
    assert not certificate_is_vouched(alice.key, bob.certificate, vouch)
    assert not certificate_is_vouched(alice.key, b"junk", alice.sign(identity.VOUCHED + b"junk"))


BITS = st.lists(st.tuples(st.sampled_from(["set", "cut", "put"]), st.integers(0, 412), st.integers(0, 255)), min_size=1)


@given(BITS)
def test_a_certificate_is_taken_only_as_bough_makes_it_byte_for_byte(changes: list[tuple[str, int, int]]) -> None:
    alice = someone()
    made = bytearray(alice.certificate)
    for change, place, byte in changes:
        if change == "put":
            made.insert(place, byte)
        elif place < len(made):
            made[place : place + 1] = bytes([byte]) if change == "set" else b""
    vouch = alice.sign(identity.VOUCHED + bytes(made))
    assert certificate_is_vouched(alice.key, bytes(made), vouch) == (made == alice.certificate)


@pytest.mark.parametrize("what", ["larger", "another curve", "another day", "one more name", "signed by another"])
def test_a_certificate_in_another_form_is_not_taken(what: str) -> None:
    alice = someone()
    tls_key = ec.generate_private_key(ec.SECP384R1() if what == "another curve" else ec.SECP256R1())
    form = identity._form(alice.key, tls_key.public_key(), 7)
    if what == "larger":
        form = form.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(1_000_000)), False)
    if what == "another day":
        form._not_valid_after = datetime.datetime(2119, 1, 1)
    if what == "one more name":
        form = form.add_extension(x509.IssuerAlternativeName([x509.DNSName("x")]), critical=False)
    signer = ec.generate_private_key(ec.SECP256R1()) if what == "signed by another" else tls_key
    made = form.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    assert not certificate_is_vouched(alice.key, made, alice.sign(identity.VOUCHED + made))


@pytest.mark.parametrize("length", [0, 1, 73, 127, 128, 254, 255, 256, 511, 1500])
def test_a_certificate_with_a_signature_of_another_length_is_not_taken(length: int) -> None:
    alice = someone()
    body = x509.load_der_x509_certificate(alice.certificate).tbs_certificate_bytes
    rest = body + identity.ECDSA_SHA256 + b"\3" + bytes([(length + 1) % 256, 0]) + bytes(length)
    made = b"\x30\x82" + len(rest).to_bytes(2, "big") + rest
    assert not certificate_is_vouched(alice.key, made, alice.sign(identity.VOUCHED + made))


def test_a_certificate_can_sign_no_other(tmp_path: Path) -> None:
    parsed = x509.load_der_x509_certificate(identity_of(tmp_path).certificate)
    assert not parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_signature_is_good_for_its_message_alone(tmp_path: Path) -> None:
    alice = identity_of(tmp_path)
    signature = alice.sign(b"yes")
    assert verify(alice.key, signature, b"yes")
    assert not verify(alice.key, signature, b"no")
    assert not verify(alice.key, signature[:-1], b"yes")
    assert not verify(b"short", signature, b"yes")


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_two_lists_of_fields_never_make_the_same_statement(one: list[bytes], other: list[bytes]) -> None:
    assert (statement("x", *one) == statement("x", *other)) == (one == other)
    assert statement("x", *one) != statement("y", *one)
