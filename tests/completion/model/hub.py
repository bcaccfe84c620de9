"""A Hugging Face hub on loopback: model info, files by commit, ranges; it can break off and lie."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """Serve `folder/OWNER/NAME/*` as the hub serves models.

    `break_after` closes the connection after so many bytes of a large file and then answers 503, until it is None.
    `lie` names a file whose content is served with a byte changed. `asked` records (path, Range header).
    """

    daemon_threads = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.break_after: int | None = None
        self.broken = False
        self.lie = ""
        self.licence: dict[str, str] = {"license": "apache-2.0"}
        self.extra: list[str] = []
        self.asked: list[tuple[str, str]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(folder: Path) -> Iterator[LocalHub]:
    """A hub that ends with the block."""
    hub = LocalHub(folder)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *said: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._info("/".join(parts[2:4]))
        elif len(parts) == 5 and parts[2:4] == ["resolve", COMMIT]:
            self._file(self.server.folder / parts[0] / parts[1] / parts[4])
        else:
            self._send(404, b"{}")

    def _info(self, source: str) -> None:
        folder = self.server.folder / source
        if not folder.is_dir():
            self._send(404, b'{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"})
            return
        siblings = [_sibling(each) for each in sorted(folder.iterdir())]
        siblings += [{"rfilename": name, "size": 1, "blobId": "0" * 40} for name in self.server.extra]
        told = {"id": source, "sha": COMMIT, "siblings": siblings, "cardData": self.server.licence, "tags": []}
        self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _file(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        if path.name == self.server.lie:
            content[len(content) // 2] ^= 1
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        large = path.suffix == ".safetensors" and self.server.break_after is not None
        if large and self.server.broken:
            self._send(503, b"down")
            return
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        rest = bytes(content[start:])
        if not large:
            self._send(206 if start else 200, rest, headers)
            return
        self.server.broken = True
        self._send(206 if start else 200, rest[: self.server.break_after], headers, claimed=len(rest))

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, claimed: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Connection", "close")  # a kept connection would keep its thread
        self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self.end_headers()
        self.wfile.write(body)


def _sibling(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    told: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": blob}
    if path.suffix == ".safetensors":
        told["lfs"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 130}
    return told
