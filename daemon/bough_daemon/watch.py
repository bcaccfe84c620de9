"""Notice what changes in a working tree: the watcher that fits the platform."""

import sys

if sys.platform == "linux":
    from bough_daemon.inotify import FolderWatch
else:
    from bough_daemon.observer import FolderWatch

__all__ = ["FolderWatch"]
