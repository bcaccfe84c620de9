"""The engine answers in text, from any thread, in every precision, and stops when told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from bough_completion.errors import ContextFull, ModelError
from bough_completion.model import manifest
from bough_completion.model.engine import Answer, ModelEngine
from bough_completion.model.export import export
from bough_completion.model.runtime import RuntimeSettings, Stop
from bough_completion.prompt.template import Prompt

from tests.completion.model.conftest import Made

SETTINGS = RuntimeSettings(device="cpu", slots=3, window_tokens=256, chunk_tokens=32)
PROMPT = Prompt("def add(a, b):\n", "\nprint(add(1, 2))\n", "    ret")


@pytest.fixture
def engine(made: Made) -> Iterator[ModelEngine]:
    """A small engine on the CPU."""
    _, model = made("Qwen2")
    opened = ModelEngine(model, SETTINGS)
    yield opened
    opened.close()


def test_the_next_keystroke_runs_only_what_is_new(engine: ModelEngine) -> None:
    first = engine.complete(PROMPT, limit=8, max_lines=99)
    assert first.complete
    assert first.reused == 0
    again = engine.complete(Prompt(PROMPT.before, PROMPT.after, PROMPT.begun + "u"), limit=8, max_lines=99)
    assert again.prompt_tokens - again.reused <= 2  # bytes are tokens here: the letter, and the last one run again


def test_the_same_question_has_the_same_answer_with_any_draft_and_in_any_slot(engine: ModelEngine) -> None:
    first = engine.complete(PROMPT, limit=12, max_lines=99)
    engine.complete(Prompt("something else"), limit=4)
    drafted = engine.complete(PROMPT, limit=12, max_lines=99, draft=first.text)
    assert drafted.text == first.text
    assert drafted.runs <= first.runs
    assert drafted.confidence == pytest.approx(first.confidence, rel=1e-3)


def test_editors_at_once_get_what_each_gets_alone(engine: ModelEngine) -> None:
    prompts = [Prompt(f"class Editor{number}:\n" * (number + 1), f"# {number}\n") for number in range(7)]
    alone = [engine.complete(each, limit=10, max_lines=99).text for each in prompts]
    with ThreadPoolExecutor(len(prompts)) as editors:
        together = list(editors.map(lambda each: engine.complete(each, limit=10, max_lines=99).text, prompts))
    assert together == alone


def test_progress_is_told_and_a_stop_gives_what_there_is(engine: ModelEngine) -> None:
    stop, told = Stop(), list[Answer]()

    def stop_at_three(text: Answer) -> None:
        told.append(text)
        if len(told) == 3:
            stop.ask()

    answer = engine.complete(PROMPT, limit=100, max_lines=99, stop=stop, progress=stop_at_three)
    assert not answer.complete
    assert answer.tokens == 3
    assert engine.complete(PROMPT, limit=4, max_lines=99).complete  # and the engine goes on


def test_patience_is_kept(engine: ModelEngine) -> None:
    answer = engine.complete(PROMPT, limit=180, max_lines=999, patience=0)
    assert not answer.complete


def test_patience_is_kept_while_another_holds_the_only_slot(made: Made) -> None:
    opened = ModelEngine(made("Qwen2")[1], RuntimeSettings(device="cpu", slots=1, window_tokens=512))
    begun, end = threading.Event(), Stop()
    with ThreadPoolExecutor(1) as editor:
        first = editor.submit(
            opened.complete, PROMPT, limit=400, max_lines=999, stop=end, progress=lambda text: begun.set()
        )
        assert begun.wait(30)
        assert opened.complete(PROMPT, patience=0).runs == 0
        assert not first.done()
        end.ask()
    opened.close()


def test_a_stop_before_the_start_runs_nothing(engine: ModelEngine) -> None:
    stop = Stop()
    stop.ask()
    assert engine.complete(PROMPT, stop=stop).runs == 0


def test_a_prompt_longer_than_the_window_is_cut_and_a_line_that_is_longer_is_refused(engine: ModelEngine) -> None:
    answer = engine.complete(Prompt("some line\n" * 300, "more\n" * 300), limit=8, max_lines=99)
    assert answer.complete
    assert 100 < answer.prompt_tokens <= engine.window - 8
    with pytest.raises(ContextFull):
        engine.complete(Prompt("", "", "x" * 300))
    assert engine.complete(PROMPT, limit=2, max_lines=99).complete


def test_a_listener_that_fails_fails_its_own_request_alone(engine: ModelEngine) -> None:
    def fail(text: Answer) -> None:
        raise RuntimeError("the editor is gone")

    with pytest.raises(ModelError, match="the editor is gone"):
        engine.complete(PROMPT, limit=8, max_lines=99, progress=fail)
    assert engine.complete(PROMPT, limit=2, max_lines=99).complete


def test_a_closed_engine_answers_nothing_at_once(made: Made) -> None:
    opened = ModelEngine(made("Qwen2")[1], SETTINGS)
    opened.close()
    assert not opened.complete(PROMPT).complete


def test_a_model_without_markers_continues_text_even_from_nothing(made: Made, tmp_path: Path) -> None:
    _, model = made("Qwen2")
    shutil.copytree(model, tmp_path / "plain")
    replace(manifest.read(model), template=None).write(tmp_path / "plain")
    opened = ModelEngine(tmp_path / "plain", SETTINGS)
    try:
        assert opened.complete(Prompt(""), limit=3, max_lines=99).prompt_tokens == 1
        assert opened.complete(Prompt("def ", "ignored", "f"), limit=3, max_lines=99).prompt_tokens == 5
    finally:
        opened.close()


def test_closing_ends_the_thread_and_answers_who_waits(made: Made) -> None:
    _, model = made("Qwen2")
    opened = ModelEngine(model, SETTINGS)
    begun = threading.Event()
    with ThreadPoolExecutor(1) as editor:
        waiting = editor.submit(opened.complete, PROMPT, limit=180, max_lines=999, progress=lambda text: begun.set())
        assert begun.wait(30)
        opened.close()
        assert waiting.result(30).tokens > 0


@pytest.mark.parametrize(
    ("precision", "device"), [("int8", "cpu"), ("int4", "cpu"), ("fp16", "cuda"), ("int4", "cuda")]
)
def test_every_precision_is_served_and_a_gpu_model_falls_back_to_the_cpu(
    made: Made, tmp_path: Path, precision: str, device: str
) -> None:
    checkpoint, _ = made("Qwen2")
    told = export(checkpoint, tmp_path / "model", precision, device)
    assert told.cache.type == ("float16" if device == "cuda" else "float32")
    opened = ModelEngine(tmp_path / "model", SETTINGS)
    try:
        first = opened.complete(PROMPT, limit=8, max_lines=99)
        assert first.complete
        assert opened.complete(PROMPT, limit=8, max_lines=99, draft=first.text).text == first.text
        assert opened.name == f"Qwen2 {precision} on cpu"
    finally:
        opened.close()


def test_a_gpu_that_is_not_there_is_said_and_the_cpu_serves(made: Made) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    _, model = made("Qwen2")
    said: list[str] = []
    opened = ModelEngine(model, RuntimeSettings(device="cuda", slots=1, window_tokens=64), said.append)
    opened.close()
    assert any("runs on the CPU" in line for line in said)
