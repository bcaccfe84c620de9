"""What a store's own files have, and how objects are removed from them.

Git removes only what nothing reaches. Here the objects are named, and everything else stays, reachable or not.
"""

from __future__ import annotations

import os
from contextlib import suppress

from bough_daemon.git.objects import Objects
from bough_daemon.store.store import Store
from bough_daemon.system.durable import sync_folder


class Inventory:
    """What a store's own files have: its commits, its trees, and the objects of each pack; read once only."""

    def __init__(self) -> None:
        self.commits = set[str]()
        self.trees = set[str]()
        self._seen = set[str]()
        self._packs: dict[str, frozenset[str]] = {}

    def look(self, objects: Objects) -> None:
        """Look for objects."""
        new = set(objects.own_names()) - self._seen
        self._seen |= new
        kinds = {oid: objects.header(oid)[0] for oid in new}
        self.trees |= {oid for oid in new if kinds[oid] == "tree"}
        self.commits |= {oid for oid in new if kinds[oid] == "commit"}

    def packs(self, store: Store) -> dict[str, frozenset[str]]:
        """Return the objects of each pack, by the pack's name."""
        folder = os.path.join(store.objects.folder, "pack")
        names = [name.removesuffix(".idx") for name in os.listdir(folder) if name.endswith(".idx")]
        self._packs = {name: self._packs.get(name) or self._in_pack(store, name) for name in names}
        return self._packs

    @staticmethod
    def _in_pack(store: Store, name: str) -> frozenset[str]:
        with open(os.path.join(store.objects.folder, "pack", f"{name}.idx"), "rb") as source:
            listed = store.git.run("show-index", stdin=source.read()).decode()
        return frozenset(line.split(" ")[1] for line in listed.splitlines())


def split(store: Store, inventory: Inventory, gone: set[str]) -> tuple[list[str], set[str]]:
    """Return the packs that contain one of some objects, and the other objects that only they contain."""
    old, inside, elsewhere = list[str](), set[str](), set[str]()
    for name, has in inventory.packs(store).items():
        if has.isdisjoint(gone):
            elsewhere |= has
        else:
            old.append(name)
            inside |= has
    return old, inside - gone - elsewhere


def remove(store: Store, inventory: Inventory, gone: set[str]) -> None:
    """Remove objects from the store's own files: packs that have one are rewritten without it."""
    folder = os.path.join(store.objects.folder, "pack")
    old, kept = split(store, inventory, gone)
    made = store.pack((), sorted(kept)) if kept else set[str]()
    sync_folder(folder)
    old = [name for name in old if name not in made]
    for name in old:
        for ending in (".idx", ".rev", ".bitmap", ".pack"):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name + ending))
    sync_folder(folder)
    store.objects.remove_loose(gone)
    store.objects.forget()
