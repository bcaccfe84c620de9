"""Contents that are secrets are known by their shape; what only looks like one is not."""

from __future__ import annotations

import time

import pytest
from bough_daemon.privacy.secret_text import LARGEST_TEXT_BYTES, secrets_in

from tests.daemon.secrets_made import ACCESS_KEY, CONTENTS, HEX, JWT, armoured, drawn, url

HARMLESS: dict[str, str] = {
    "documentation": "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    "a key's first line": "if line == '-----BEGIN RSA PRIVATE KEY-----':\n    return decode_private_key(line)\n",
    "a key with dots": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA...\n-----END RSA PRIVATE KEY-----\n",
    "a public key": armoured("PUBLIC KEY", "public"),
    "a certificate": armoured("CERTIFICATE", "certificate"),
    "a filler": f"token = 'ghp_{'x' * 36}'\nstripe = 'sk_live_{'0' * 24}'\n",
    "counting up": "token = 'ghp_1234567890abcdefghijklmnopqrstuvwxyz'\n",
    "an access key alone": f"{ACCESS_KEY}\n",
    "hashes": "".join(f"{drawn(40, str(n), HEX)}  file{n}\n" for n in range(50)),
    "a lock file": f'"integrity": "sha512-{drawn(86, "lock")}=="\n',
    "a data URL": f"background: url(data:image/png;base64,{drawn(4000, 'png')});\n",
    "an account of another kind": f"id = 'SK{drawn(32, 'other', HEX)}'\n",
    "a JWT that nothing tells of": f"fixture: {JWT}\n",
    "jwt.io's": "token: eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\n",
    "a variable": "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n",
    "a test key": f"stripe = 'sk_test_{drawn(24, 'test')}'\n",
    "a word in a longer one": f"Xghp_{drawn(36, 'longer')}\n",
}
HARMLESS_URLS = {
    "a placeholder": "postgres://user:password@db.acme.io/app",
    "a variable": "postgres://user:${PASSWORD}@db.acme.io/app",
    "this machine": url("postgres", "localhost:5432/app", "here"),
    "a service of Compose": url("redis", "redis:6379", "compose"),
    "an example": url("https", "example.com", "example"),
    "no password": "ssh://git@github.com:22/acme/app.git",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_secret_is_known_by_its_shape(name: str) -> None:
    assert secrets_in(CONTENTS[name].encode(), name.rpartition("/")[2]), CONTENTS[name]


@pytest.mark.parametrize("name", CONTENTS)
def test_a_secret_is_found_in_the_middle_of_a_file(name: str) -> None:
    code = "def f(x: int) -> int:\n    return x + 1\n" * 200
    assert secrets_in((code + CONTENTS[name] + code).encode(), name.rpartition("/")[2])


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_a_secret_is_none(name: str) -> None:
    assert secrets_in(HARMLESS[name].encode(), "any.txt") == {}


@pytest.mark.parametrize("name", HARMLESS_URLS)
def test_an_address_without_a_real_password_is_none(name: str) -> None:
    assert secrets_in(f"url: {HARMLESS_URLS[name]}\n".encode(), "config.yml") == {}


def test_addresses_count_in_files_that_configure() -> None:
    text = f"connect('{url('postgres', 'db.acme.io', 'pg')}')\n".encode()
    assert secrets_in(text, "conn.yml") and secrets_in(text, "Dockerfile") and not secrets_in(text, "conn.py")


def test_data_is_not_looked_into() -> None:
    key = CONTENTS["notes.txt"].encode()
    assert secrets_in(b"\0" + key, "x") == {} and secrets_in(key + bytes(LARGEST_TEXT_BYTES), "x") == {}


def test_a_source_file_takes_a_moment() -> None:
    code = "".join(f"def function_{n}(value: int) -> str:\n    return f'{{value}} {n}'\n" for n in range(300)).encode()
    took = []
    for _ in range(20):
        began = time.perf_counter()
        secrets_in(code, "a.py")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.002, f"{len(code)} bytes took {min(took) * 1000:.2f} ms"


def test_nothing_takes_long_whatever_the_text() -> None:
    for text in (
        b"a" * 500_000,
        b"-" * 500_000,
        b"://" * 150_000,
        b"AKIA" * 100_000,
        b"eyJ." * 100_000,
        b"sk-" * 150_000,
    ):
        began = time.perf_counter()
        secrets_in(text, "config.yml")
        assert time.perf_counter() - began < 3.0, text[:10]
