"""The list of live working trees, kept so that they become live again after a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from bough_daemon.home import Home
from bough_daemon.system.durable import write_whole


@dataclass(frozen=True)
class Remembered:
    """A live working tree: its top folder, and the name its member chose (empty: derived from the Git user).

    `environment`: the lasting part of the environment of the latest command in it.
    """

    root: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


class LiveTrees:
    """The list of live working trees of one home, in `live.json`."""

    def __init__(self, home: Home) -> None:
        self._path = home.path("live.json")
        self._trees: dict[str, Remembered] = {}
        with suppress(FileNotFoundError), open(self._path, encoding="utf-8", errors="surrogateescape") as source:
            for item in json.load(source):
                self._trees[item["root"]] = Remembered(item["root"], item["name"], item.get("environment", {}))

    def __iter__(self) -> Iterator[Remembered]:
        return iter(list(self._trees.values()))

    def __contains__(self, root: object) -> bool:
        return root in self._trees

    def add(self, root: str, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Add a working tree; without an `environment`, it keeps the one that it had."""
        known = self._trees.get(root)
        kept = environment if environment is not None else known.environment if known is not None else {}
        self._trees[root] = Remembered(root, name, kept)
        self._write()

    def remove(self, root: str) -> None:
        """Forget a working tree."""
        if self._trees.pop(root, None) is not None:
            self._write()

    def _write(self) -> None:
        data = json.dumps([asdict(tree) for tree in self._trees.values()])
        write_whole(self._path, data.encode(errors="surrogateescape"))
