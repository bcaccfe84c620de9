"""The manifest of an exported model: how to serve it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bough_completion.errors import BadModel

FILE = "manifest.json"
FORMAT = 1
GRAPH = "model.onnx"
COPIER = "copy.onnx"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class CacheLayout:
    """The shape of the keys and values: per layer and side `type[slots, heads, window, head_size]`."""

    layers: int
    heads: int
    head_size: int
    # The element type as NumPy calls it: `float32` or `float16`.
    type: str

    @property
    def token_bytes(self) -> int:
        """Bytes that one token takes in all layers."""
        return 2 * self.layers * self.heads * self.head_size * (2 if self.type == "float16" else 4)


@dataclass(frozen=True)
class FileSum:
    """Size in bytes and SHA-256 in hex of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything that serving needs and the graph does not contain."""

    name: str
    architecture: str
    precision: str
    device: str
    licence: str
    context_tokens: int
    vocabulary: int
    # The name of the fill-in-the-middle template; None for a model that only continues text.
    template: str | None
    # Tokens that end an answer.
    stop: tuple[int, ...]
    cache: CacheLayout
    # The versions of the libraries that took part in the export, by name.
    exporter: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileSum] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest into `folder`."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Return the manifest of the model in `folder`; raise `BadModel` if it is missing or unreadable."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise BadModel(f"{folder} was exported in format {told['format']}, this Bough reads format {FORMAT}")
        return _from_json(told)
    except FileNotFoundError as error:
        raise BadModel(f"{folder} contains no exported model: it has no {FILE}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadModel(f"{folder / FILE} cannot be read: {error!r}") from error


def _from_json(told: dict[str, Any]) -> Manifest:
    cache = CacheLayout(**told.pop("cache"))
    files = {name: FileSum(**each) for name, each in told.pop("files").items()}
    return Manifest(**{**told, "stop": tuple(told["stop"]), "cache": cache, "files": files})


def sums(folder: Path) -> dict[str, FileSum]:
    """Return size and checksum of every file in `folder` except the manifest itself."""
    names = sorted(each.name for each in folder.iterdir() if each.is_file() and each.name != FILE)
    return {name: sum_of(folder / name) for name in names}


def sum_of(path: Path) -> FileSum:
    """Return size and checksum of one file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return FileSum(path.stat().st_size, digest.hexdigest())


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise `BadModel` unless every file of `manifest` is in `folder` with its checksum."""
    for name, expected in manifest.files.items():
        if not (folder / name).is_file():
            raise BadModel(f"{folder} lacks {name}")
        if sum_of(folder / name) != expected:
            raise BadModel(f"{folder / name} is damaged: its checksum is not the manifest's")
