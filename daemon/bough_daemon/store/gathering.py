"""Combine loose objects, and small packs, into larger packs, while the store is in use.

Git does the work in a process of its own, so saves never wait for it. What the new pack has is removed elsewhere only
once it is synced, so an object can always be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence

import pygit2

from bough_daemon.budgets import child_seconds
from bough_daemon.store.leftovers import clear_abandoned
from bough_daemon.store.packs import run_child
from bough_daemon.store.store import Store
from bough_daemon.system.durable import sync_folder
from bough_daemon.system.threads import StoreThread, to_the_end

MANY_PACKS = 50
SMALL_PACK_BYTES = 4 << 20
LOOSE_LIMIT = 2000  # loose objects before they are packed
HEAVY_LIMIT_BYTES = 16 * 1024 * 1024  # of large trees, loose, before they are packed

log = logging.getLogger(__name__)


async def tidy(store: Store, owner: StoreThread) -> bool:
    """Pack loose objects when they have become many, or large; return whether that was done.

    A loose object is removed only when a pack of the store's own has it; the user's repository does not count.
    """
    async with store.gathering:
        heavy = store.objects.heavy_bytes
        loose = await to_the_end(asyncio.to_thread(store.objects.loose))
        if len(loose) < LOOSE_LIMIT and (heavy < HEAVY_LIMIT_BYTES or not loose):
            return False
        size = await to_the_end(asyncio.to_thread(_size_of, store, loose))
        await _pack(store, [], loose, size)
        await to_the_end(asyncio.to_thread(_remove_packed, store, loose))
        await to_the_end(owner.run(_note_packed, store, heavy))
        return True


def _size_of(store: Store, loose: Sequence[str]) -> int:
    """Return the bytes of loose objects."""
    size = 0
    for oid in loose:
        with contextlib.suppress(FileNotFoundError):
            size += os.path.getsize(os.path.join(store.objects.folder, oid[:2], oid[2:]))
    return size


def _remove_packed(store: Store, loose: Sequence[str]) -> None:
    """Remove loose objects that are in a pack. From any thread."""
    for left in clear_abandoned(store.folder, store.path):
        log.warning("%s was never written to its end; it is removed", left)
    packed = pygit2.Odb()
    packed.add_backend(pygit2.OdbBackendPack(store.objects.folder), 1)
    for oid in loose:
        if oid in packed:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(store.objects.folder, oid[:2], oid[2:]))


def _note_packed(store: Store, heavy: int) -> None:
    store.refresh()
    store.objects.heavy_bytes -= heavy


async def gather(store: Store, owner: StoreThread, *, all_of_them: bool = False) -> bool:
    """Combine the many small packs that came in, or all packs, into one; return whether that was done.

    A pack is removed only when the new one has all of its objects.
    """
    async with store.gathering:
        folder = _folder(store)
        packs = [name for name in os.listdir(folder) if name.endswith(".pack")]
        sizes = {name: os.path.getsize(os.path.join(folder, name)) for name in packs}
        small = [name for name, size in sizes.items() if all_of_them or size < SMALL_PACK_BYTES]
        if len(small) < (2 if all_of_them else MANY_PACKS):
            return False
        made = await _pack(store, ["--stdin-packs"], small, sum(sizes.values()))
        await to_the_end(owner.run(_drop, store, [name for name in small if name != f"pack-{made}.pack"]))
        return True


async def _pack(store: Store, options: Sequence[str], names: Iterable[str], size_bytes: int = 0) -> str:
    """Pack some objects into a pack of the store's own, synced; return its id."""
    target = os.path.join(_folder(store), "pack")
    with tempfile.TemporaryFile(buffering=0) as said:
        packing = ("-c", "core.fsync=all", "pack-objects", "-q", "--threads=1", *options, target)
        stdin = "\n".join(names).encode() + b"\n"
        await run_child(store.git, *packing, stdin=stdin, stdout=said, seconds=child_seconds(size_bytes))
        said.seek(0)
        return said.read().decode().strip()


def _folder(store: Store) -> str:
    return os.path.join(store.objects.folder, "pack")


def _drop(store: Store, packs: Sequence[str]) -> None:
    """Remove packs whose objects another one has completely. On the store's thread."""
    folder = _folder(store)
    sync_folder(folder)
    for name in packs:
        for ending in (".idx", ".rev", ".pack"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name.removesuffix(".pack") + ending))
    store.refresh()
