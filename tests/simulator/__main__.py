"""Run simulated teams: python -m tests.simulator [--seeds N] [--from N] [--members M] [--keep STEPS] [--trace].

A seed says everything that happens in one team, and is run within a tenth of a second or so. One that fails is told of
with what happened, who said what to whom, as few steps as still fail, and the command that runs it again. `--mutations`
puts faults into the product, one after the other, and sees that each is found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from tests.simulator import mutations

SEEDS_OF_MUTATION = 300


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    options.add_argument("--seeds", type=int, default=10_000, help="how many (default: 10,000)")
    options.add_argument("--from", type=int, default=0, dest="first", metavar="N", help="the first one")
    options.add_argument("--members", type=int, help="as many in each team, in place of what the seed says")
    options.add_argument("--keep", metavar="STEPS", help="only these steps, by number, with commas between")
    options.add_argument("--trace", action="store_true", help="tell what happens, also where all is well")
    options.add_argument("--mutations", action="store_true", help="see that faults of the product are found")
    options.add_argument("--mutation", type=int, metavar="N", help="put one of them in, and end with the first find")
    chosen = options.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The product goes through sets of keys here and there: a seed is to say the same everywhere.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulator", *sys.argv[1:]])
    if chosen.mutations:
        return _try_mutations()
    if chosen.mutation is not None:
        mutations.install(chosen.mutation)
    from tests.simulator.runs import first_failure, run_seeds

    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.mutation is not None:
        print(first_failure(seeds), flush=True)
        return 0
    keep = None if chosen.keep is None else frozenset(int(one) for one in chosen.keep.split(",") if one)
    began = time.monotonic()
    failed = run_seeds(seeds, chosen.members, keep, chosen.trace)
    print(f"{chosen.seeds} seeds, {failed} of them failed, {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


def _try_mutations() -> int:
    missed = 0
    for number, mutation in enumerate(mutations.MUTATIONS):
        seeds = f"--from={mutation.first}", f"--seeds={SEEDS_OF_MUTATION}"
        command = [sys.executable, "-m", "tests.simulator", f"--mutation={number}", *seeds]
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        missed += not found
        print(f"{mutation.name}: {found[:200] or 'NOT FOUND'}", flush=True)
    print(f"{len(mutations.MUTATIONS)} faults, {missed} of them not found", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
