"""Time a model with random weights on the CPU: a keystroke's answer, warm, and how fast a prefill stops.

usage: python tests/bench/completion_model.py [--model FOLDER] [--precision int4] [--threads 2] [--rounds 60]
                                              [--context 1000] [--tokens 16] [--draft] [--json FILE]

Without `--model`, a Qwen2 of 60 million random weights is made and exported first, which needs the `export` extra.
Random weights cost the same time as trained ones; what they write means nothing. Before anything is timed, the model
must write the same with its context decoded anew, kept, and drafted. Each round types one more letter at the end of a
context that is decoded already and asks for `--tokens` tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bough_completion.model.engine import Answer, ModelEngine
from bough_completion.model.export import export
from bough_completion.model.runtime import Settings, Stop
from bough_completion.model.template import Prompt

BARS = {"answer_p50_ms": 80.0, "abort_worst_ms": 200.0}
MANY = 1_000_000
SMALL: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 32_000,
    "tie_word_embeddings": True,
}
"""60.2 million weights, the head shared with the embedding."""


def write_checkpoint(folder: Path, shape: dict[str, Any], kind: str = "float32") -> int:
    """Write a Qwen2 with random weights and a tokenizer of single bytes; return how many weights it has."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    torch.set_default_dtype(getattr(torch, kind))
    model = Qwen2ForCausalLM(Qwen2Config(max_position_embeddings=4096, eos_token_id=256, bos_token_id=256, **shape))
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"])
    # Random weights write any token; each must have a text of its own that reads back as that token, to be drafted.
    tokenizer.add_tokens([f"‹{number}›" for number in range(tokenizer.get_vocab_size(), shape["vocab_size"])])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return int(model.num_parameters())


@contextmanager
def opened(folder: Path, settings: Settings) -> Iterator[ModelEngine]:
    """An engine that ends with the block."""
    engine = ModelEngine(folder, settings)
    try:
        yield engine
    finally:
        engine.close()


def context(characters: int, seed: int = 5) -> str:
    """Return seeded text in which every byte is one token."""
    draw = random.Random(seed)
    return "".join(draw.choice("abcdefghijklmnop _()=:\n") for _ in range(characters))


def answer(engine: ModelEngine, before: str, begun: str, tokens: int, draft: str = "") -> Answer:
    """Ask for `tokens` tokens, however many lines they are."""
    return engine.complete(Prompt(before, "\nend\n", begun), limit=tokens, max_lines=MANY, draft=draft)


def check(folder: Path, settings: Settings, before: str, tokens: int) -> None:
    """Stop the script unless the model writes the same anew, from a kept context, and with a draft."""
    with opened(folder, settings) as engine:
        anew = answer(engine, before, "ret", tokens)
        answer(engine, before, "something else", tokens)
        kept = answer(engine, before, "ret", tokens)
        drafted = answer(engine, before, "ret", tokens, anew.text)
    if not anew.text == kept.text == drafted.text:
        sys.exit(f"the model contradicts itself: {anew.text!r}, {kept.text!r}, {drafted.text!r}")


def keystrokes(engine: ModelEngine, before: str, rounds: int, tokens: int, draft: bool) -> list[float]:
    """Return the milliseconds of each answer while letters are typed."""
    typed, spent = "", list[float]()
    for turn in range(rounds + 5):
        typed += "abcdefgh"[turn % 8]
        guess = answer(engine, before, typed, tokens).text if draft else ""
        begun = time.perf_counter()
        told = answer(engine, before, typed, tokens, guess)
        if turn >= 5 and told.tokens == tokens:  # the first warm up; a random model may end early
            spent.append((time.perf_counter() - begun) * 1000)
    return spent


def aborts(engine: ModelEngine, characters: int, rounds: int) -> list[float]:
    """Return the milliseconds from asking a prefill to stop until its caller has it back."""
    spent = []
    for turn in range(rounds):
        stop, asked = Stop(), list[float]()
        timer = threading.Timer(0.02 + 0.01 * turn, lambda stop=stop, asked=asked: (asked.append(now()), stop.ask()))
        timer.start()
        told = engine.complete(Prompt(context(characters, 100 + turn)), limit=1, max_lines=MANY, stop=stop)
        if not told.complete:
            spent.append((now() - asked[0]) * 1000)
        timer.join()
    return spent


now: Callable[[], float] = time.perf_counter


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of `values` lie, to a hundredth."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 2)


def main() -> None:
    """Make the model, check it, time it, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--precision", default="int4")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--context", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--draft", action="store_true", help="draft each answer right, to see what a draft saves")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    settings = Settings(device="cpu", threads=told.threads, slots=2, window_tokens=2048)
    with tempfile.TemporaryDirectory() as work:
        folder = told.model or Path(work) / "model"
        if told.model is None:
            write_checkpoint(Path(work) / "checkpoint", SMALL)
            export(Path(work) / "checkpoint", folder, told.precision)
        check(folder, settings, context(told.context), told.tokens)
        with opened(folder, settings) as engine:
            spent = keystrokes(engine, context(told.context), told.rounds, told.tokens, told.draft)
            stopped = aborts(engine, 1900, 20)
    result = {
        "model": folder.name if told.model else "random Qwen2, 60.2 M",
        "precision": told.precision,
        "threads": told.threads,
        "load": round(os.getloadavg()[0], 2),
        "context_tokens": told.context,
        "tokens": told.tokens,
        "drafted": told.draft,
        "answers": len(spent),
        "answer_p50_ms": quantile(spent, 0.5),
        "answer_p95_ms": quantile(spent, 0.95),
        "aborts": len(stopped),
        "abort_p50_ms": quantile(stopped, 0.5),
        "abort_worst_ms": quantile(stopped, 1),
        "bars": BARS,
    }
    print(json.dumps(result, indent=2))
    if told.json:
        told.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
