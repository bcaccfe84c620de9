"""Simulated teams come to agree, and the simulator finds faults."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator import runs
from tests.simulator.mutations import MUTATIONS, Mutation, mutated
from tests.simulator.oracle import Oracle
from tests.simulator.script import weather_of

ROOT = Path(__file__).parents[2]
SEEDS, AT_ONCE = 60, 30  # more of them: `python -m tests.simulator --seeds 300`


def simulated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulator in a process of its own, as a seed needs it to be the same seed everywhere."""
    command = [sys.executable, "-m", "tests.simulator", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.mark.lengthy
@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_happens_a_team_agrees_in_the_end(first: int) -> None:
    done = simulated(f"--from={first}", f"--seeds={AT_ONCE}")
    assert done.returncode == 0, done.stdout


@pytest.mark.lengthy
def test_a_fault_of_the_product_is_found() -> None:
    assert "which nobody has signed" in simulated("--mutation=0", "--seeds=40").stdout


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name.replace(" ", "-"))
def test_the_faults_that_the_simulator_is_tried_with_have_their_places(mutation: Mutation) -> None:
    found = importlib.util.find_spec(mutation.module)
    assert found is not None and found.origin is not None
    text = Path(found.origin).read_text()
    assert mutated(text, mutation) != text


def test_a_seed_that_fails_is_told_of_with_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def problems(oracle: Oracle) -> Iterator[str]:
        if any(state.sequence > 2 for state in oracle.states):
            yield "somebody has saved three times"

    monkeypatch.setattr(Oracle, "problems", problems)
    monkeypatch.setattr(runs, "MOST_TRIES", 20)
    seed = next(seed for seed in range(100) if runs.failure_of(seed, weather_of(seed, 2)))
    assert runs.run_seeds([seed], 2) == 1
    said = capsys.readouterr().out
    assert f"seed {seed} fails: somebody has saved three times" in said
    assert f"python -m tests.simulator --from {seed} --seeds 1 --members 2 --keep '" in said
    assert "alice → bob: I hold alice #" in said and "— step " in said
