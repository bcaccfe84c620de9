"""What the exported graph answers is what transformers answers, whatever happened to the cache before."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from bough_completion.errors import ContextFull, Stopped
from bough_completion.model import manifest
from bough_completion.model.decode import Draft, advance, begin, following, no_draft
from bough_completion.model.runtime import Runtime, RuntimeSettings, Stop
from bough_completion.model.session import Session

from tests.completion.model import checkpoints
from tests.completion.model.conftest import Made

TOLERANCE = 1e-4
every_family = pytest.mark.parametrize("session", list(checkpoints.FAMILIES), indirect=True)
pytestmark = pytest.mark.filterwarnings("ignore:::torch", "ignore:::transformers")


def family_of(session: Session) -> str:
    return session.manifest.architecture.removesuffix("ForCausalLM")


def greedy(session: Session, row: int, prompt: list[int], limit: int = 24, draft: Draft = no_draft) -> list[int]:
    """Decode `limit` tokens; return them."""
    answer = begin(session, row, prompt, limit, Stop(), draft=draft)
    while not answer.done:
        advance(session, [answer])
    return answer.tokens


@every_family
def test_every_row_of_a_prefill_is_what_transformers_says(session: Session, reference: Any, prompt: list[int]) -> None:
    logits = session.run(0, prompt, range(len(prompt)))
    assert np.abs(logits - reference(family_of(session), prompt)).max() <= TOLERANCE
    assert np.ptp(logits) > 1  # or the comparison would say nothing


@every_family
def test_a_prefill_in_chunks_is_the_same(session: Session, reference: Any, prompt: list[int]) -> None:
    session.run(0, prompt[:17], [16])
    logits = session.run(0, prompt[17:], range(len(prompt) - 17))
    assert np.abs(logits - reference(family_of(session), prompt)[17:]).max() <= TOLERANCE


@every_family
def test_greedy_writes_the_24_tokens_that_transformers_writes(
    session: Session, expected: Any, prompt: list[int]
) -> None:
    assert greedy(session, 0, prompt) == expected(family_of(session), prompt)


@every_family
def test_after_a_rewind_it_writes_the_same(session: Session, expected: Any, prompt: list[int]) -> None:
    other = [*prompt[:20], 3, 1, 4]
    greedy(session, 0, prompt)
    assert greedy(session, 0, other) == expected(family_of(session), other)
    again = begin(session, 0, prompt, 1, Stop())
    assert len(again.pending) == 20  # what both prompts begin with was kept
    assert greedy(session, 0, prompt) == expected(family_of(session), prompt)


@every_family
def test_after_a_slot_copy_it_writes_the_same(session: Session, expected: Any, prompt: list[int]) -> None:
    session.run(0, prompt[:30], [29])
    assert session.cache.best_for(prompt, free=[2, 3]) in (2, 3)
    row = next(row for row in (2, 3) if session.cache.slots[row].tokens)
    assert session.cache.slots[row].tokens == prompt[:30]
    assert greedy(session, row, prompt) == expected(family_of(session), prompt)


def test_the_copy_that_a_gpu_makes_is_the_same(
    session: Session, made: Made, expected: Any, prompt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(RuntimeSettings(device="cpu"), print)
    monkeypatch.setattr(session.cache, "_copier", runtime.open(made("Qwen2")[1] / manifest.COPIER))
    session.run(1, prompt[:30], [29])
    session.cache.copy(1, 3, 25)
    assert session.cache.slots[3].tokens == prompt[:25]
    assert greedy(session, 3, prompt) == expected("Qwen2", prompt)


@every_family
def test_drafts_right_wrong_and_half_right_change_nothing(session: Session, expected: Any, prompt: list[int]) -> None:
    written = expected(family_of(session), prompt)
    for row, draft in enumerate(([*written], [9] * 12, [*written[:7], 5, 5, 5])):
        assert greedy(session, row, prompt, draft=following(draft)) == written


def test_a_right_draft_saves_four_runs_of_five(session: Session, expected: Any, prompt: list[int]) -> None:
    written = expected("Qwen2", prompt)
    greedy(session, 0, prompt, limit=1)
    answer = begin(session, 0, prompt, 24, Stop(), draft=following(written))
    while not answer.done:
        advance(session, [answer])
    assert (answer.tokens, answer.runs) == (written, 5)  # 4 drafted tokens and the one after, five times


@every_family
def test_after_a_stopped_run_it_writes_the_same(session: Session, expected: Any, prompt: list[int]) -> None:
    session.run(0, prompt[:10], [9])
    stop = Stop()
    stop.ask()
    with pytest.raises(Stopped):
        session.run(0, prompt[10:], [0], stop)
    assert session.cache.slots[0].tokens == prompt[:10]
    assert greedy(session, 0, prompt) == expected(family_of(session), prompt)


def test_a_stop_ends_a_run_in_progress(session: Session) -> None:
    stop = Stop()
    timer = threading.Timer(0.01, stop.ask)
    timer.start()
    with pytest.raises(Stopped):
        while True:
            session.cache.slots[0].tokens.clear()
            session.run(0, [1] * 250, [249], stop)
    timer.join()


@every_family
def test_a_batch_of_different_lengths_writes_what_each_writes_alone(
    session: Session, expected: Any, prompt: list[int]
) -> None:
    prompts = {0: prompt, 1: prompt[5:20], 3: prompt[11:38]}
    session.run(2, prompt[:9], [8])  # rides along, and must not notice
    answers = [begin(session, row, each, 24, Stop()) for row, each in prompts.items()]
    while not all(answer.done for answer in answers):
        advance(session, [answer for answer in answers if not answer.done])
    for answer in answers:
        assert answer.tokens == expected(family_of(session), prompts[answer.row])
    assert greedy(session, 2, prompt[:12]) == expected(family_of(session), prompt[:12])


def test_a_full_window_is_refused_and_the_slot_keeps_what_it_held(session: Session, prompt: list[int]) -> None:
    session.run(0, prompt, [0])
    with pytest.raises(ContextFull):
        session.run(0, [1] * 250, [0])
    assert session.cache.slots[0].tokens == prompt
