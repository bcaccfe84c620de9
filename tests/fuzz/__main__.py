"""Try targets for a long time: python -m tests.fuzz [--seconds N] [--seed N] [--replay FILE] [TARGET…].

Each target runs in a process of its own, one after the other, for its share of the seconds. A finding is written into
`.fuzz/`, with the command that replays it, and the next target goes on. What Atheris has found worth keeping stays in
`.fuzz/corpus`, and is where the next run begins.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.target import Trial

KEPT = Path(".fuzz")
PACKAGES = ["bough_daemon", "bough_completion", "bough_merge"]
FOUND = 3  # the exit code of a child that found something


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("targets", nargs="*", metavar="TARGET")
    options.add_argument("--seconds", type=float, default=3600, help="for all of them (default: an hour)")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    options.add_argument("--replay", type=Path, help="try this one input on the one target")
    options.add_argument("--alone", action="store_true", help="try the one target in this process")
    chosen = options.parse_args()
    if chosen.alone:
        return _alone(chosen.targets[0], chosen.seconds, chosen.seed)
    from tests.fuzz.targets import TARGETS

    unknown = sorted(set(chosen.targets) - TARGETS.keys())
    if unknown:
        options.error(f"unknown target {unknown[0]}; the targets are {', '.join(TARGETS)}")
    if chosen.replay is not None:
        return _replay(chosen.targets[0], chosen.replay)
    names = chosen.targets or list(TARGETS)
    print(f"{len(names)} targets, {chosen.seconds / len(names):.0f} s each, --seed {chosen.seed}", flush=True)
    codes = [_in_a_child(name, chosen.seconds / len(names), chosen.seed) for name in names]
    print(f"{sum(map(bool, codes))} of {len(names)} targets have a finding", flush=True)
    return 1 if any(codes) else 0


def _in_a_child(name: str, seconds: float, seed: int) -> int:
    command = [sys.executable, "-m", "tests.fuzz", "--alone", name, f"--seconds={seconds}", f"--seed={seed}"]
    KEPT.mkdir(exist_ok=True)
    log = KEPT / f"{name}.log"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, log.open("wb") as out:
        done = subprocess.run(command, env={**os.environ, "TMPDIR": folder}, stderr=out, check=False)
    if done.returncode not in (0, FOUND):
        print(f"{name}: the process ended with {done.returncode}; see {log}", flush=True)
    return done.returncode


def _alone(name: str, seconds: float, seed: int) -> int:
    by_atheris = importlib.util.find_spec("atheris") is not None
    if by_atheris:
        import atheris

        with atheris.instrument_imports(include=PACKAGES):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.engine import Mutator, Watch

    _scrub()
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, target.opened(Path(folder)) as trial:
        watch, began = Watch(target, trial), time.monotonic()

        def attempt(data: bytes) -> None:
            try:
                watch.attempt(data)
            except BaseException:
                _tell(name, data)
                os._exit(FOUND)
            took = time.monotonic() - began
            if took > seconds:
                print(f"{name}: {watch.taken} taken, {watch.refused} refused, {took:.0f} s, no finding", flush=True)
                os._exit(0)  # Atheris would not return

        if by_atheris:
            _with_atheris(name, trial, seed, attempt)
        for data in Mutator(random.Random(seed), trial.seeds, trial.words):
            attempt(data)
    return 0


def _with_atheris(name: str, trial: Trial, seed: int, attempt: Callable[[bytes], None]) -> None:
    """Let Atheris choose what to try, by the branches that the code took, until an attempt ends the process."""
    import atheris

    corpus = KEPT / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in trial.seeds:
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data)
    dictionary = KEPT / f"{name}.dict"
    escaped = ("".join(f"\\x{one:02x}" for one in word) for word in trial.words if word)
    dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
    options = [f"-seed={seed}", "-max_len=16384", "-rss_limit_mb=0", "-verbosity=0"]
    options += [f"-dict={dictionary}"] if dictionary.stat().st_size else []
    options += [f"-artifact_prefix={KEPT}/{name}-", "-timeout=60", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], attempt)
    atheris.Fuzz()


def _scrub() -> None:
    """Give the process a HOME of its own, and none of the caller's settings of Git and Bough."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "BOUGH_", "XDG_")):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="home-"))
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Fuzz\n\temail = fuzz@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
    )
    os.environ |= {"HOME": str(home), "LC_ALL": "C.UTF-8"}


def _tell(name: str, data: bytes) -> None:
    """Write a finding down and say how to see it again."""
    kept = KEPT / f"{name}-{hashlib.sha1(data).hexdigest()[:12]}"
    kept.write_bytes(data)
    print(f"{name}: a finding; `python -m tests.fuzz {name} --replay {kept}` replays it", flush=True)
    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()


def _replay(name: str, kept: Path) -> int:
    from tests.fuzz.engine import Watch
    from tests.fuzz.targets import TARGETS

    data = kept.read_bytes()
    _scrub()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, TARGETS[name].opened(Path(folder)) as trial:
        watch = Watch(TARGETS[name], trial)
        watch.attempt(data)
    print("taken" if watch.taken else "refused", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
