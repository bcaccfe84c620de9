"""A gate in a function, which opens once other work was done on a store's thread: nothing there waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from bough_daemon.system.threads import StoreThread

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 20.0  # seconds until a function must have been called, and other work done


class Gate:
    """Between `before` a function and the work of others."""

    def __init__(self, owner: StoreThread) -> None:
        self._owner = owner
        self._called = threading.Event()
        self._opened = threading.Event()

    def before(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that goes on at the open gate only."""

        def gated(*arguments: P.args, **named: P.kwargs) -> T:
            self._called.set()
            assert self._opened.wait(PATIENCE), "the store's thread was held up"
            return function(*arguments, **named)

        return gated

    async def opens(self) -> None:
        """Wait until the function is called, do other work on the store's thread, and open the gate."""
        assert await asyncio.to_thread(self._called.wait, PATIENCE), "it was not called"
        await self._owner.run(self._opened.set)
