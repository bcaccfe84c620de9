"""A model gets as many slots and as wide a window as its memory allows, and no more memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bough_completion.errors import TooLarge, UnsupportedPrecision
from bough_completion.model import manifest
from bough_completion.model.architectures import check_precision
from bough_completion.model.budget import fitting, needed
from bough_completion.model.manifest import CacheLayout, FileSum
from bough_completion.model.runtime import RuntimeSettings
from bough_completion.prompt.registry import family_of
from hypothesis import given
from hypothesis import strategies as st

from tests.completion.model.tiny import FOLDER

MIB = 1 << 20
# Qwen2.5-Coder-3B's cache, and its weights in int4.
LARGE = replace(
    manifest.read(FOLDER),
    context_tokens=32_768,
    cache=CacheLayout(36, 2, 128, "float32"),
    files={"model.onnx.data": FileSum(2_000 * MIB, ""), "tokenizer.json": FileSum(7 * MIB, "")},
)
SETTINGS = RuntimeSettings(slots=4, window_tokens=2048)


def test_without_a_limit_nothing_changes() -> None:
    assert fitting(SETTINGS, LARGE, None) == SETTINGS


def test_slots_go_first_then_the_window_and_then_it_is_refused() -> None:
    whole = needed(LARGE, SETTINGS) // MIB + 1
    assert 4_000 < whole < 6_000
    assert fitting(SETTINGS, LARGE, whole).slots == 4
    assert fitting(SETTINGS, LARGE, whole - 200).slots == 2
    narrow = fitting(SETTINGS, LARGE, whole - 500)
    assert (narrow.slots, narrow.window_tokens) == (1, 1024)
    with pytest.raises(TooLarge, match="may use 3000"):
        fitting(SETTINGS, LARGE, 3000)


def test_a_large_vocabulary_needs_memory_for_its_texts() -> None:
    assert needed(replace(LARGE, vocabulary=152_000), SETTINGS) - needed(LARGE, SETTINGS) > 40 * MIB


@given(st.integers(4_300, 9_000))
def test_what_fits_needs_no_more_than_it_may_use(memory: int) -> None:
    assert needed(LARGE, fitting(SETTINGS, LARGE, memory)) <= memory * MIB


def test_a_gpu_is_not_asked_for_fp32() -> None:
    with pytest.raises(UnsupportedPrecision):
        check_precision("fp32", "cuda")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2.5-Coder-7B", "qwen"),
        ("qwen2.5-coder-3b", "qwen"),
        ("Qwen3-8B-Instruct", None),
        ("ibm-granite/granite-4.0-micro-base", "granite"),
        ("Mellum-4b-sft-all", "mellum"),
        ("bough-model", None),
        ("", None),
    ],
)
def test_the_name_of_a_served_model_tells_its_family(name: str, family: str | None) -> None:
    found = family_of(name)
    assert (found.name if found else None) == family
