"""Whether and since when the user has paused sharing in one repository, also after a restart."""

from __future__ import annotations

import os
from contextlib import suppress

from bough_daemon.errors import StoreDamaged
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record


class SharingPauseFile:
    """The pause of one repository. `since`: seconds since the epoch; 0: sharing is not paused."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "paused.json")
        self.since = 0.0
        try:
            self.since = read_record(self._path, float)
        except FileNotFoundError:
            return
        except StoreDamaged:
            self.since = os.stat(self._path).st_mtime  # that there was a pause is all that counts

    def begin(self, now: float) -> None:
        """Pause sharing; an existing pause continues."""
        if not self.since:
            write_whole(self._path, as_json(now))
            self.since = now

    def end(self) -> None:
        """Resume sharing."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        self.since = 0.0
