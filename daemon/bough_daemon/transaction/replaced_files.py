"""Files that commands have replaced, removed while nobody waits for it: on some disks that takes milliseconds each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import threading

from bough_daemon.store.store import Store
from bough_daemon.system.threads import to_the_end

log = logging.getLogger(__name__)


class ReplacedFiles:
    """The folders with replaced files of one repository. Made on the event loop.

    Their content is known to be in the store. What is not removed when the daemon ends is removed after its next start.
    """

    def __init__(self, store: Store) -> None:
        self._top = _top_of(store)
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()
        self._more.set()  # for what the last daemon left
        self._ends = threading.Event()

    def discard(self, folder: str) -> None:
        """Have a folder of the stage removed soon. From any thread; the command is done, so this cannot fail."""
        try:
            os.makedirs(self._top, mode=0o700, exist_ok=True)
            os.rename(folder, os.path.join(self._top, os.path.basename(folder)))
        except OSError as failure:
            log.warning("%s is removed only when the store is next opened: %s", folder, failure)
            return
        self._loop.call_soon_threadsafe(self._more.set)

    async def run(self) -> None:
        """Remove folders as they come, until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            self._ends.clear()
            await to_the_end(asyncio.to_thread(self._remove_all), hurry=self._ends.set)

    def _remove_all(self) -> None:
        for folder in _folders(self._top):
            try:
                self._remove(folder)
            except FileNotFoundError:
                pass  # a purge removes it
            except OSError as failure:
                log.warning("%s is removed later: %s", folder, failure)

    def _remove(self, folder: str) -> None:
        """Remove a folder, file by file, as the daemon may end meanwhile."""
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._ends.is_set():
                    return
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
        shutil.rmtree(folder)


def remove_now(store: Store) -> None:
    """Remove all replaced files, also while a daemon does; raise OSError if one cannot be removed."""
    while folders := _folders(_top_of(store)):
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):  # the daemon was faster
                shutil.rmtree(folder)


def _top_of(store: Store) -> str:
    return os.path.join(store.folder, "stage", ".replaced")


def _folders(top: str) -> list[str]:
    """Return the folders in a folder; none if it does not exist, or is a file."""
    try:
        with os.scandir(top) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
