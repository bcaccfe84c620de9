"""What is named like a secret, or is new and large, stays at home."""

from __future__ import annotations

import pytest
from bough_daemon.withheld import is_secret


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "a/.env.local",
        ".ENV.production",
        "server.key",
        "k/cert.PEM",
        "id_ed25519",
        "id_ed25519_sk",
        "x.jks",
        ".netrc",
    ],
)
def test_secrets_are_known_by_their_names(path: str) -> None:
    assert is_secret(path)


@pytest.mark.parametrize(
    "path", [".env.example", "env", "id_rsa.pub", "keys.py", "a.pem/readme", "monkey", "environment"]
)
def test_what_only_looks_like_a_secret_is_none(path: str) -> None:
    assert not is_secret(path)
