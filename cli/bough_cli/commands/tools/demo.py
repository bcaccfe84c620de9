"""bough demo"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from bough_cli import output
from bough_cli.tour import StepFailed, Tour


def demo() -> None:
    """Demonstrate Bough on this machine with two members.

    They work live on a copy of Python's standard library, in a temporary folder.
    """
    started = time.perf_counter()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)  # a closed terminal must leave nothing behind either
    tour = Tour(Path(tempfile.mkdtemp(prefix="bough-demo-")))
    try:
        for number, step in enumerate(tour.STEPS, 1):
            title = (step.__doc__ or "").strip()
            begun = time.perf_counter()
            try:
                with _busy(title) as tour.progress:
                    seen = step(tour)
            except (StepFailed, OSError, TimeoutError) as failure:
                output.talk(f"Error: step {number} failed: {title}\nCaused by: {failure}")
                raise typer.Exit(1) from None
            output.data(f"{number:>2}  {title:<56} {time.perf_counter() - begun:6.2f} s   {output.dim(seen)}")
    finally:
        tour.close()
    output.data(f"    all of it, and nothing left behind{' ' * 22} {time.perf_counter() - started:6.2f} s")


def _stop(*_: object) -> None:
    raise typer.Exit(1)


@contextlib.contextmanager
def _busy(title: str) -> Iterator[Callable[[float], None]]:
    """Show progress on a terminal; the yielded function is called with the part done (0 to 1)."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        step = shown.add_task(title, total=None)
        yield lambda done: shown.update(step, total=1.0, completed=done)
