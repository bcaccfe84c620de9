"""Download a checkpoint from a Hugging Face hub: only what an export reads, verified, and resumable."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bough_completion.errors import DownloadFailed
from bough_completion.libraries import library

# No code and no pickles: the export loads only safetensors and JSON.
WANTED = ("*.safetensors", "*.json", "merges.txt", "vocab.txt", "README.md", "LICENSE*", "LICENCE*", "NOTICE*")
BLOCK = 1 << 20

# Called with a file's name, how many of its bytes are here, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RemoteFile:
    """One file of a checkpoint: its size in bytes, and the SHA-256 of its content or the SHA-1 of its Git blob."""

    name: str
    bytes: int
    sha256: str | None
    blob: str


@dataclass(frozen=True)
class Remote:
    """A checkpoint on the hub at one commit."""

    source: str
    commit: str
    licence: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """Total size of its files in bytes."""
        return sum(each.bytes for each in self.files)

    def only(self, name: str) -> Remote:
        """Return this checkpoint with one file only."""
        return replace(self, files=tuple(each for each in self.files if each.name == name))


class Hub:
    """A Hugging Face hub, or a compatible server at `endpoint` (None for the library's default)."""

    def __init__(self, endpoint: str | None = None) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        self._library = library("huggingface_hub")
        self._endpoint = endpoint

    def look(self, source: str) -> Remote:
        """Return the hub's description of `source`; raise `DownloadFailed` if it has none or does not answer."""
        try:
            api = self._library.HfApi(endpoint=self._endpoint)
            told = api.model_info(source, files_metadata=True)
        except Exception as error:  # the library raises its own, httpx's and ValueError
            raise DownloadFailed(f"cannot get the file list of {source} from the hub: {error}") from error
        files = tuple(_remote_file(each) for each in told.siblings or () if _is_wanted(each.rfilename))
        return Remote(source, str(told.sha), _licence(told.card_data), files)

    def fetch(self, remote: Remote, folder: Path, progress: Progress = lambda name, here, total: None) -> None:
        """Download the files of `remote` into `folder`.

        A file arrives as `NAME.part` and gets its name when its checksum is right. Raise `DownloadFailed` if the
        connection is lost for good or a checksum is wrong; the next call resumes the download.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for file in remote.files:
            if not (folder / file.name).exists():
                self._fetch_one(remote, file, folder, progress)
            progress(file.name, file.bytes, file.bytes)

    def _fetch_one(self, remote: Remote, file: RemoteFile, folder: Path, progress: Progress) -> None:
        # One commit's part must not be continued by another's.
        part = folder / f"{file.name}.{file.blob[:12]}.part"
        with _Counted(part, lambda here: progress(file.name, here, file.bytes)) as stream:
            try:
                self._transfer(remote, file, stream)
            except Exception as error:  # as above
                raise DownloadFailed(f"{file.name} broke off after {stream.tell()} bytes: {error}") from error
        if not _is_intact(part, file):
            part.unlink()
            raise DownloadFailed(f"{file.name} arrived with a wrong checksum and was deleted")
        part.rename(folder / file.name)

    def _transfer(self, remote: Remote, file: RemoteFile, stream: io.FileIO) -> None:
        # hf_hub_download deletes a broken download (huggingface_hub 2.4, file_download.py); this part of it resumes.
        hub = library("huggingface_hub.file_download")
        url = self._library.hf_hub_url(remote.source, file.name, revision=remote.commit, endpoint=self._endpoint)
        headers = self._library.utils.build_hf_headers()
        hub.http_get(url, stream, resume_size=stream.tell(), headers=headers, expected_size=file.bytes)


class _Counted(io.FileIO):
    """A file that is appended to and reports its length after every write."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path, "a+")
        self._told = tell
        self.seek(0, io.SEEK_END)

    def write(self, content: Any) -> int:
        written = 0
        while written < len(content):
            written += super().write(memoryview(content)[written:]) or 0
        self._told(self.tell())
        return written


def _remote_file(told: Any) -> RemoteFile:
    return RemoteFile(
        str(told.rfilename), int(told.size or 0), str(told.lfs.sha256) if told.lfs else None, str(told.blob_id)
    )


def _is_wanted(name: str) -> bool:
    # Names come from a server: nothing may leave the folder.
    return Path(name).name == name and "\\" not in name and any(fnmatch(name, each) for each in WANTED)


def _licence(card: Any) -> str:
    licence = getattr(card, "license", None)
    return str((getattr(card, "license_name", None) if licence == "other" else licence) or "unknown")


def _is_intact(path: Path, file: RemoteFile) -> bool:
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {file.bytes}\0".encode())
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == (file.sha256 or file.blob)
