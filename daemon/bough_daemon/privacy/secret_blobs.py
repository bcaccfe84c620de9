"""Find secrets in blobs, searching each blob once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from bough_daemon.git.objects import FILE, Change, Objects
from bough_daemon.privacy.secret_text import LARGEST_TEXT_BYTES, configures, secrets_in

MOST_BLOBS = 50_000  # blobs whose result is remembered; nearly all have no secret

Key = tuple[str, bool]


class SecretBlobs:
    """Search files that are about to leave for secrets. On the store's thread only."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[Key, Mapping[bytes, str]] = {}

    def brought_by(self, changes: Iterable[Change], before: Collection[str]) -> dict[str, str]:
        """Return the paths whose change brings a secret, with the reason.

        `before`: the former blobs of the same step. A secret that is in one of them is not new: it only moved, or its
        file was edited elsewhere.
        """
        found: dict[str, Mapping[bytes, str]] = {}
        for path, _, now in changes:
            if now is not None and now.mode & FILE == FILE and now.oid not in before:
                inside = self._in(path, now.oid)
                if inside:
                    found[path] = inside
        if not found:
            return {}
        had = {secret for oid in before for name in ("a.c", "a.ini") for secret in self._in(name, oid)}
        new = {path: [kind for secret, kind in inside.items() if secret not in had] for path, inside in found.items()}
        return {path: f"it contains {kinds[0]}" for path, kinds in new.items() if kinds}

    def _in(self, path: str, oid: str) -> Mapping[bytes, str]:
        name = path.rpartition("/")[2]
        key = oid, configures(name)
        known = self._known.get(key)
        if known is None:
            kind, size = self._objects.header(oid) if self._objects.exists(oid) else ("", 0)
            readable = kind == "blob" and size <= LARGEST_TEXT_BYTES
            known = secrets_in(self._objects.blob(oid), name) if readable else {}
            if len(self._known) >= MOST_BLOBS:
                self._known.clear()
            self._known[key] = known
        return known
