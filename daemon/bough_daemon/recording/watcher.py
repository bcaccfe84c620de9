"""Watch a working tree for changes, with the watcher for the platform."""

import sys

if sys.platform == "linux":
    from bough_daemon.recording.watcher_inotify import InotifyWatcher as FolderWatch
else:
    from bough_daemon.recording.watcher_portable import PortableWatcher as FolderWatch

__all__ = ["FolderWatch"]
