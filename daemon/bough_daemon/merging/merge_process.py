"""A merge worker: the engine in a process of its own, which answers jobs until its input ends.

It imports the engine and little else, because every daemon waits for its first one.
"""

from __future__ import annotations

import os
import resource
import sys

from bough_merge import MergeSettings, SettingsError, merge_tree

from bough_daemon.budgets import WORKER_MEMORY_BYTES
from bough_daemon.merging.worker_wire import READY, BadAnswer, Decided, Job, read_job, write_answer

LABELS = ("ours", "base", "theirs")


def main() -> None:
    """Answer jobs until the input ends."""
    if sys.platform == "linux":
        # On other systems the time limit bounds what a worker allocates.
        resource.setrlimit(resource.RLIMIT_DATA, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "wb") as nowhere:  # a hostile file must not fill the disk with messages
        os.dup2(nowhere.fileno(), 2)
    answers.write(READY)
    while True:
        try:
            job = read_job(source)
        except BadAnswer:
            return
        write_answer(answers, _merged(job))


def _merged(job: Job) -> dict[str, Decided] | str:
    """Return the engine's decisions, or what is wrong with the settings."""
    try:
        settings = MergeSettings.parsed(job.settings)
    except SettingsError as wrong:
        return str(wrong)
    files = merge_tree(job.base, job.ours, job.theirs, labels=LABELS, settings=settings).files
    return {path: Decided(one.content, one.conflicts, str(one.method), one.findings) for path, one in files.items()}


if __name__ == "__main__":
    main()
