"""Models of every architecture, made and exported once."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bough_completion.model.export import export
from bough_completion.model.runtime import RuntimeSettings
from bough_completion.model.session import Session

from tests.completion.model import checkpoints

Made = Callable[[str], tuple[Path, Path]]


def needs(*libraries: str) -> None:
    """Skip where a library of an optional extra is missing, and say so."""
    for name in libraries:
        pytest.importorskip(name, reason=f"needs {name}, of the extra that `pip install 'bough[export,cpu]'` brings")


@pytest.fixture(scope="session", autouse=True)
def no_monitor() -> None:
    """Keep tqdm, which the libraries draw with, from starting a thread that would count as leaked."""
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("tqdm").tqdm.monitor_interval = 0


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return (checkpoint, exported fp32 model) of a family, made when first asked for."""
    needs("torch", "transformers", "onnx", "onnxruntime_genai", "onnxruntime", "tokenizers")
    folder = tmp_path_factory.mktemp("models")

    def of(family: str) -> tuple[Path, Path]:
        checkpoint, model = folder / family, folder / f"{family}-onnx"
        if not model.exists():
            checkpoints.make(checkpoint, family)
            export(checkpoint, model, "fp32")
        return checkpoint, model

    return of


@pytest.fixture(scope="session")
def reference(made: Made) -> Callable[[str, list[int]], Any]:
    """Return transformers' own logits, `float32[tokens, vocabulary]`, of a family for tokens."""
    loaded: dict[str, Any] = {}

    def logits(family: str, tokens: list[int]) -> Any:
        import torch
        import transformers

        if family not in loaded:
            checkpoint, _ = made(family)
            loaded[family] = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        with torch.no_grad():
            return loaded[family](torch.tensor([tokens])).logits[0].numpy()

    return logits


@pytest.fixture(scope="session")
def expected(reference: Callable[[str, list[int]], Any]) -> Callable[[str, list[int]], list[int]]:
    """Return the 24 tokens that transformers alone writes after a prompt, the whole text run anew for each."""
    known: dict[tuple[str, tuple[int, ...]], list[int]] = {}

    def written(family: str, prompt: list[int]) -> list[int]:
        tokens = list(prompt)
        while (family, tuple(prompt)) not in known and len(tokens) < len(prompt) + 24:
            tokens.append(int(reference(family, tokens)[-1].argmax()))
        return known.setdefault((family, tuple(prompt)), tokens[len(prompt) :])

    return written


@pytest.fixture(params=[True, False], ids=["picked in the graph", "picked here"])
def picks(request: pytest.FixtureRequest) -> bool:
    """Whether the graph picks the best token, or is one of those that were exported before it could."""
    return bool(request.param)


@pytest.fixture
def session(made: Made, request: pytest.FixtureRequest, picks: bool, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A loaded session of the family that the test's parameter names (Qwen2 where it names none)."""
    _, model = made(getattr(request, "param", "Qwen2"))
    opened = Session(model, RuntimeSettings(device="cpu", slots=4, window_tokens=256, chunk_tokens=16))
    assert opened.head.picks
    if not picks:
        monkeypatch.setattr(opened.head, "picks", ())
    return opened


@pytest.fixture
def prompt() -> list[int]:
    """Forty tokens of seeded noise."""
    return [int(each) for each in np.random.default_rng(11).integers(0, 250, 40)]
