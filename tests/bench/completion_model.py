"""Time a model with random weights on the CPU: a keystroke's answer, warm, and how fast a prefill stops.

usage: python tests/bench/completion_model.py [--model FOLDER] [--precision int4] [--threads 2] [--rounds 60]
                                              [--context 1000] [--tokens 16] [--wide] [--json FILE]

Without `--model`, a Qwen2 of 60 million random weights is made and exported first, which needs the `export` extra.
Random weights cost the same time as trained ones; what they write means nothing. Each round types one more letter at
the end of a context that is decoded already and asks for `--tokens` tokens. The model is checked before it is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bough_completion.model.bench import Load, aborts, check, keystrokes
from bough_completion.model.engine import ModelEngine
from bough_completion.model.export import export
from bough_completion.model.runtime import RuntimeSettings

BARS = {"answer_p50_ms": 80, "abort_worst_ms": 200}
SMALL: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 32_000,
    "tie_word_embeddings": True,
}
"""60.9 million weights, the head shared with the embedding."""
WIDE: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 11_008,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 32_000,
    "tie_word_embeddings": True,
}
"""Four layers of Qwen2.5-Coder-3B's width. A run stops between two nodes, so the widest node decides how fast."""


def write_checkpoint(folder: Path, shape: dict[str, Any], kind: str = "float32", place: str = "cpu") -> int:
    """Write a Qwen2 with random weights, made on `place`, and a tokenizer of single bytes; return how many it has."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    torch.set_default_dtype(getattr(torch, kind))
    config = Qwen2Config(max_position_embeddings=4096, eos_token_id=256, bos_token_id=256, **shape)
    with torch.device(place):
        model = Qwen2ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    weights = int(model.num_parameters())
    del model
    if place == "cuda":
        torch.cuda.empty_cache()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"])
    # Random weights write any token; each must have a text of its own that reads back as that token, to be drafted.
    tokenizer.add_tokens([f"‹{number}›" for number in range(tokenizer.get_vocab_size(), shape["vocab_size"])])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    return weights


@contextmanager
def opened(folder: Path, settings: RuntimeSettings) -> Iterator[ModelEngine]:
    """An engine that ends with the block."""
    engine = ModelEngine(folder, settings)
    try:
        yield engine
    finally:
        engine.close()


def main() -> None:
    """Make the model, check it, time it, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--precision", default="int4")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--context", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--wide", action="store_true", help="as wide as a 3B model, to see how fast that one stops")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    load = Load(told.context, told.tokens, told.rounds)
    with tempfile.TemporaryDirectory() as work:
        weights = 0
        folder = told.model or Path(work) / "model"
        if told.model is None:
            weights = write_checkpoint(Path(work) / "checkpoint", WIDE if told.wide else SMALL)
            export(Path(work) / "checkpoint", folder, told.precision)
        with opened(folder, RuntimeSettings(device="cpu", threads=told.threads, slots=2, window_tokens=2048)) as engine:
            check(engine, load)
            result = {
                "model": engine.name if told.model else f"random Qwen2, {weights / 1e6:.1f} M weights",
                "precision": told.precision,
                "threads": told.threads,
                "load": asdict(load),
                "load_average_before": round(os.getloadavg()[0], 2),
                "answer_ms": asdict(keystrokes(engine, load)),
                "answer_with_right_draft_ms": asdict(keystrokes(engine, replace(load, drafted=True))),
                "abort_ms": asdict(aborts(engine)),
                "load_average_after": round(os.getloadavg()[0], 2),
                "bars": BARS,
            }
    print(json.dumps(result, indent=2))
    if told.json:
        told.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
