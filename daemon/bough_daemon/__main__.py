"""The daemon's process: `python -m bough_daemon [--ready-fd N] [--stay]`, for the home set in the environment."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import logging.handlers
import math
import os
import sys
import threading
from dataclasses import replace
from typing import Any

from bough_daemon.api.launch import READY, REFUSED, TAKEN
from bough_daemon.api.wire import packed
from bough_daemon.control.daemon import AlreadyRunning, Daemon, take_home
from bough_daemon.control.service import serving
from bough_daemon.errors import BoughError
from bough_daemon.faults import fault_of
from bough_daemon.home import Home
from bough_daemon.system.children import end_every_child
from bough_daemon.system.descriptors import raise_limit
from bough_daemon.system.opened import Opened
from bough_daemon.system.text import printable

log = logging.getLogger("bough_daemon")

END_PATIENCE = 3.0  # seconds that running work gets to finish; then every child is killed
LAST_PATIENCE = 10.0  # seconds after which the process exits regardless; nothing is lost by that


class OneLine(logging.Formatter):
    """A formatter that puts each message on one line, whatever a teammate or a file name contains."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """Return the lines of a traceback."""
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


async def _live(home: Home, ready_fd: int | None) -> None:
    async with Opened() as opened:
        try:
            daemon = await opened.enter_async_context(Daemon.open(home))
            await opened.enter_async_context(serving(daemon))
        except Exception as failure:
            _tell(ready_fd, REFUSED + packed(fault_of(failure)))
            raise
        opened.callback(_see_that_it_ends)
        _tell(ready_fd, READY)
        await daemon.run()


def _see_that_it_ends() -> None:
    for seconds, step in ((END_PATIENCE, end_every_child), (LAST_PATIENCE, _give_up)):
        timer = threading.Timer(seconds, step)
        timer.daemon = True
        timer.start()


def _give_up() -> None:
    log.error("the daemon does not respond and is killed; the next one continues from what was recorded")
    end_every_child()
    os._exit(1)


def _tell(ready_fd: int | None, word: bytes) -> None:
    if ready_fd is not None:
        os.write(ready_fd, word)
        os.close(ready_fd)


def main() -> int:
    """Serve one home until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bough_daemon", description=__doc__)
    parser.add_argument("--ready-fd", type=int, help="file descriptor to report on when the daemon is ready")
    parser.add_argument("--stay", action="store_true", help="keep running when nothing is live, and log to stderr too")
    chosen = parser.parse_args()
    home = Home.from_environment(os.environ)
    if chosen.stay:
        home = replace(home, idle_seconds=math.inf)
    try:
        take_home(home)  # held until this process exits
        with home.used():
            handler = logging.handlers.RotatingFileHandler(home.log, maxBytes=5_000_000, backupCount=2)
    except AlreadyRunning:
        _tell(chosen.ready_fd, TAKEN)
        return 0
    except BoughError as refused:
        _tell(chosen.ready_fd, REFUSED + packed(refused))
        return 1
    handlers: list[logging.Handler] = [handler, *([logging.StreamHandler()] if chosen.stay else [])]
    for one in handlers:
        one.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers)
    log.info("the daemon of %s starts; it may have %d open files", home.root, raise_limit())
    gc.freeze()  # what was imported stays: no collection has to go through it
    try:
        asyncio.run(_live(home, chosen.ready_fd))
    except Exception:
        log.exception("the daemon failed")
        return 70
    finally:
        log.info("the daemon of %s ended", home.root)
        gc.freeze()  # or the interpreter, before it ends, goes through all that there is
    return 0


if __name__ == "__main__":
    sys.exit(main())
