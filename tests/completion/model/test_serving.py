"""The committed model, served by ONNX Runtime alone, answers what transformers answered when it was made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bough_completion
import numpy as np
import pytest
from bough_completion.errors import Stopped
from bough_completion.model import manifest
from bough_completion.model.decode import Draft, advance, begin, following, no_draft
from bough_completion.model.engine import ModelEngine
from bough_completion.model.head import Logits, Picks
from bough_completion.model.runtime import Runtime, RuntimeSettings, Stop
from bough_completion.model.session import Session
from bough_completion.prompt.template import Prompt

from tests.completion.model.tiny import EXPECTED, FOLDER, OLDER, ROWS

WHY = "needs {}, of the extra that `pip install 'bough[cpu]'` brings"
pytest.importorskip("onnxruntime", reason=WHY.format("onnxruntime"))
pytest.importorskip("tokenizers", reason=WHY.format("tokenizers"))

TOLD = json.loads(EXPECTED.read_text())
PROMPT: list[int] = TOLD["prompt"]
WRITTEN: list[int] = TOLD["written"]
SETTINGS = RuntimeSettings(device="cpu", slots=3, window_tokens=128, chunk_tokens=16)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as it was exported before graphs picked the best token themselves."""
    folder = tmp_path_factory.mktemp("models") / "older"
    shutil.copytree(FOLDER, folder)
    shutil.copyfile(OLDER, folder / manifest.GRAPH)
    return folder


@pytest.fixture(params=[FOLDER, OLDER], ids=["picked in the graph", "picked here"])
def folder(request: pytest.FixtureRequest, older: Path) -> Path:
    """The model, once as it is exported now and once as it was."""
    return FOLDER if request.param == FOLDER else older


@pytest.fixture(params=[False, True], ids=["any shape", "fixed shapes"])
def session(request: pytest.FixtureRequest, folder: Path) -> Session:
    """A session, once as a CPU runs it and once with the runs that a GPU captures."""
    said: list[str] = []
    opened = Session(folder, replace(SETTINGS, fixed_shapes=request.param), said.append)
    assert said == []
    assert bool(opened.head.picks) == (folder == FOLDER)
    return opened


def greedy(session: Session, row: int, prompt: list[int], draft: Draft = no_draft) -> list[int]:
    answer = begin(session, row, prompt, 24, Stop(), draft=draft)
    while not answer.done:
        advance(session, [answer])
    return answer.tokens


def test_every_file_is_as_it_was_made() -> None:
    manifest.verify(FOLDER, manifest.read(FOLDER))


def test_logits_and_greedy_tokens_are_those_of_transformers(session: Session) -> None:
    session.run(0, PROMPT[:17], [16])
    logits = session.run(0, PROMPT[17:], range(len(PROMPT) - 17 - ROWS, len(PROMPT) - 17))
    assert np.abs(logits - np.array(TOLD["logits"])).max() <= 1e-4
    assert greedy(session, 1, PROMPT) == WRITTEN


def test_rewind_copy_stop_and_drafts_change_nothing(session: Session) -> None:
    greedy(session, 0, [*PROMPT[:20], 1, 2, 3])
    assert greedy(session, 0, PROMPT) == WRITTEN
    session.cache.copy(0, 2, 30)
    assert greedy(session, 2, PROMPT, following([*WRITTEN[:9], 1, 1])) == WRITTEN
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        session.run(1, PROMPT, [0], stop)
    assert greedy(session, 1, PROMPT, following(WRITTEN)) == WRITTEN


def test_a_batch_writes_what_each_writes_alone(session: Session) -> None:
    shorter = PROMPT[:25]
    alone = greedy(session, 2, shorter)  # and row 1, between the two, stays empty
    answers = [begin(session, 0, PROMPT, 24, Stop()), begin(session, 2, shorter, 24, Stop())]
    while not all(answer.done for answer in answers):
        advance(session, [answer for answer in answers if not answer.done])
    assert [answer.tokens for answer in answers] == [WRITTEN, alone]


def test_a_full_slot_between_two_does_not_stop_them(session: Session) -> None:
    full = (PROMPT * 4)[:128]
    session.run(1, full, [0])
    answers = [begin(session, row, PROMPT, 24, Stop()) for row in (0, 2)]
    while not all(answer.done for answer in answers):
        advance(session, answers)
    assert [answer.tokens for answer in answers] == [WRITTEN, WRITTEN]
    assert session.cache.slots[1].tokens == full[:127]


def test_what_is_picked_is_the_best_of_the_logits_with_its_softmax(session: Session) -> None:
    """Of a prompt, of a few tokens, of a batch: the shapes that are run in three ways."""
    pieces = (PROMPT[:30], PROMPT[30:32], PROMPT[32:33])
    for piece in pieces:
        held = len(session.cache.slots[0].tokens)
        logits = session.run(0, piece, range(len(piece)))
        del session.cache.slots[0].tokens[held:]
        same_picks(session.pick(0, piece, range(len(piece))), logits)
        session.pick(2, piece, [0])
    logits = session.run_batch({0: 5, 2: 7})
    for row in (0, 2):
        session.cache.slots[row].tokens.pop()
    same_picks(session.pick_batch({0: 5, 2: 7}), logits)


def same_picks(picks: Picks, logits: Logits) -> None:
    assert picks.tokens == logits.argmax(axis=1).tolist()
    weights = np.exp(logits.astype(np.float64))
    assert picks.chances == pytest.approx((weights.max(axis=1) / weights.sum(axis=1)).tolist(), abs=1e-6)


def test_both_ways_are_as_sure_of_what_they_write(older: Path) -> None:
    told = []
    for folder in (FOLDER, older):
        opened = ModelEngine(folder, SETTINGS)
        told.append(opened.complete(Prompt("def f():\n", "\n", "    re"), limit=12, max_lines=99))
        opened.close()
    assert told[0].text == told[1].text
    assert told[0].confidence == pytest.approx(told[1].confidence, rel=1e-4)


class Recorded:
    """A session of ONNX Runtime's shape that remembers how it was run."""

    def __init__(self) -> None:
        self.graphs: list[str] = []

    def run_with_iobinding(self, binding: object, options: Any) -> None:
        self.graphs.append(options.get_run_config_entry("gpu_graph_id"))


def test_a_shape_is_run_plainly_before_it_is_captured_and_never_again() -> None:
    runtime, recorded = Runtime(SETTINGS, print), Recorded()
    for number in (1, 1, 2, 1):
        runtime.replay(recorded, None, number)
    assert recorded.graphs == ["-1", "-1", "1", "1", "-1", "-1", "2", "1"]


@pytest.fixture
def engine(folder: Path) -> Iterator[ModelEngine]:
    opened = ModelEngine(folder, SETTINGS)
    yield opened
    opened.close()


def test_the_next_keystroke_runs_only_what_is_new(engine: ModelEngine) -> None:
    engine.complete(Prompt("def f():\n", "\n", "    re"), limit=6, max_lines=99)
    again = engine.complete(Prompt("def f():\n", "\n", "    ret"), limit=6, max_lines=99)
    assert again.complete
    assert again.prompt_tokens - again.reused <= 2


SERVE = """
import sys
from dataclasses import replace
from pathlib import Path
from bough_completion.model import manifest
from bough_completion.model.engine import ModelEngine, Prompt
engine = ModelEngine(Path(sys.argv[1]))
assert engine.complete(Prompt("def add(a, b):", "", "")).tokens
engine.close()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to see every connect of the process")
def test_serving_opens_no_connection_at_all(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    watch = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(seen)]
    home = str(Path(bough_completion.__file__).parents[1])
    subprocess.run(
        [*watch, sys.executable, "-c", SERVE, str(FOLDER)], check=True, env={**os.environ, "PYTHONPATH": home}
    )
    assert [line for line in seen.read_text().splitlines() if "AF_INET" in line] == []
