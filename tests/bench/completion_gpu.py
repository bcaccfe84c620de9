"""Build a model of 3 billion random weights on a GPU machine, check it, time it, and write what was measured.

usage: python tests/bench/completion_gpu.py [--precision fp16] [--device cuda] [--tiny] [--rounds 40] [--json FILE]

Runs whole in one call and needs no network: torch, transformers, onnx, onnxruntime-genai (the `export` extra),
tokenizers and onnxruntime-gpu. The shape is Qwen2.5-Coder-3B's; random weights cost the time of trained ones. First a
tiny model must follow transformers on this device, through prefill, rewind, slot copy, captured runs, batch and drafts;
then the large one must agree with torch on what comes next. Only then anything is timed: in this process, with CUDA
graphs and without, and through the whole completion process. `--tiny --device cpu` tries the script out
where there is no GPU; its times mean nothing.

The JSON says where it ran, what was checked, and per load the milliseconds beside the bars. `floor_ms` is what reading
the weights once per token would take at the bandwidth that a copy on the same device reached.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from bough_completion.model.bench import Load, Times, aborts, check, editors, keystrokes, text
from bough_completion.model.engine import ModelEngine
from bough_completion.model.export import export
from bough_completion.model.runtime import Settings
from bough_completion.model.session import Session
from completion_model import opened, write_checkpoint
from completion_process import measured as whole

TINY: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "tie_word_embeddings": True,
    "initializer_range": 0.15,
}
LARGE: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 11_008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
CORRELATION = {"fp16": 0.999, "int8": 0.99, "int4": 0.4}
"""What tells wrong wiring from rounding, which random weights suffer from more than trained ones."""
EDITORS = 8
LETTERS = 3
JSON = Path(__file__).parents[2] / "docs" / "benchmarks" / "completion_gpu.json"


def settings(device: str) -> Settings:
    """Slots for every editor, a window that holds the context, drafts as long as they come."""
    return Settings(device=device, threads=8, slots=EDITORS, window_tokens=2048, chunk_tokens=512, draft_tokens=16)


def reference(checkpoint: Path, tokens: list[int]) -> Any:
    """Return torch's logits of every token as `float32[tokens, vocabulary]`, run in fp32 where torch runs best."""
    import torch
    import transformers

    place = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).to(place)
    with torch.no_grad():
        logits = model(torch.tensor([tokens], device=place)).logits[0].float().cpu().numpy()
    del model
    if place == "cuda":
        torch.cuda.empty_cache()
    return logits


def check_tiny(work: Path, device: str, said: list[str]) -> dict[str, float]:
    """Stop unless a tiny model follows transformers on this device, however it is run; return how far it is off.

    A GPU serves halves at best, so the bar is a fiftieth of what its logits span; that the ways of running it agree
    with each other is held to half of that.
    """
    checkpoint, folder = work / "tiny", work / "tiny-onnx"
    write_checkpoint(checkpoint, TINY)
    export(checkpoint, folder, "fp16" if device == "cuda" else "fp32", device)
    tokens = [int(each) for each in np.random.default_rng(3).integers(0, 250, 200)]
    expected = reference(checkpoint, tokens)
    allowed = float(np.ptp(expected)) / 50
    session = Session(folder, settings(device), said.append)
    if session.device != device:
        sys.exit(f"it runs on the {session.device}: {said}; nothing was timed")
    session.run(0, tokens[:90], [89])
    session.run(0, [1, 2, 3], [0])
    del session.cache.slots[0].tokens[90:]
    kept = session.run(0, tokens[90:], range(110))
    session.cache.copy(0, 5, 150)
    short = session.run(5, tokens[150:155], range(5))
    one = session.run(5, tokens[155:156], [0])
    rows = dict.fromkeys((5, 7), tokens[156])
    session.cache.copy(5, 7, 156)
    batch = session.run_batch(rows)
    off = {
        "prefill": np.abs(kept - expected[90:]).max(),
        "short_run": np.abs(short - expected[150:155]).max(),
        "one_token": np.abs(one - expected[155]).max(),
        "batch": np.abs(batch - expected[156]).max(),
    }
    between = max(np.abs(short - kept[60:65]).max(), np.abs(one - kept[65]).max(), np.abs(batch - kept[66]).max())
    found = {name: round(float(each), 6) for name, each in (off | {"between_them": between}).items()}
    if max(off.values()) > allowed or between > allowed / 2:
        sys.exit(f"logits are off by {found} where {allowed:g} is allowed; nothing was timed")
    with opened(folder, settings(device)) as engine:
        check(engine, Load(context_tokens=500, tokens=12))
    return found | {"allowed": round(allowed, 6)}


def check_large(checkpoint: Path, folder: Path, device: str, precision: str) -> float:
    """Stop unless the large model's logits follow torch's; return their correlation."""
    tokens = [int(each) for each in np.random.default_rng(4).integers(0, 250, 64)]
    session = Session(folder, settings(device))
    found = session.run(0, tokens, [63])[0]
    session.cache.slots[0].tokens.clear()
    session.run(0, tokens[:60], [0])
    short = session.run(0, tokens[60:], [3])[0]
    if np.corrcoef(found, short)[0, 1] < CORRELATION[precision]:
        sys.exit("a short run gives something else than a long one; nothing was timed")
    correlation = float(np.corrcoef(found, reference(checkpoint, tokens)[63])[0, 1])
    if correlation < CORRELATION[precision]:
        sys.exit(f"logits correlate with torch's at {correlation:.4f} only; nothing was timed")
    return correlation


def bandwidth() -> float | None:
    """Return bytes per second that a copy on the GPU reads and writes; None where there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    source = torch.empty(2**31, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    for _ in range(3):
        target.copy_(source)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(10):
        target.copy_(source)
    torch.cuda.synchronize()
    return 10 * 2 * source.numel() / (time.perf_counter() - begun)


def measured(engine: ModelEngine, rounds: int) -> dict[str, Any]:
    """Time every load of the issue's table."""
    loads = {
        "12_tokens": Load(1500, 12, rounds, LETTERS),
        "24_tokens": Load(1500, 24, rounds, LETTERS),
        "12_tokens_right_draft": Load(1500, 12, rounds, LETTERS, drafted=True),
        "24_tokens_right_draft": Load(1500, 24, rounds, LETTERS, drafted=True),
    }
    found: dict[str, Times] = {name: keystrokes(engine, load) for name, load in loads.items()}
    found["8_editors_12_tokens"] = editors(engine, Load(1500, 12, rounds), EDITORS)
    found["prefill_abort"] = aborts(engine)
    return {name: asdict(each) for name, each in found.items()}


async def through_the_process(model: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Time the issue's loads over the completion process's socket, as editors see them."""
    found = {}
    for name, tokens, count in (("12_tokens", 12, 1), ("24_tokens", 24, 1), ("8_editors_12_tokens", 12, EDITORS)):
        asked = {"rounds": told.rounds, "context": 1500, "tokens": tokens, "letters": LETTERS, "editors": count}
        load = Namespace(device=told.device, threads=8, **asked)
        found[name] = await whole(model, load)
        if found[name]["tokens_per_answer"] < 0.9 * tokens and not told.tiny:
            sys.exit(
                f"the process wrote {found[name]['tokens_per_answer']} tokens an answer where {tokens} were asked for"
            )
    return found


def machine() -> dict[str, str]:
    """Say where this ran, and on what."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    libraries = {}
    for name in ("onnxruntime-gpu", "onnxruntime", "onnxruntime-genai", "torch", "transformers"):
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"gpu": gpu, "processor": platform.processor() or platform.machine(), **libraries}


BARS = {
    "12_tokens": {"p50": 60, "p95": 100},
    "24_tokens": {"p50": 100},
    "8_editors_12_tokens": {"p95": 200},
    "prefill_abort": {"worst": 50},
}


def main() -> None:
    """Build, check, time, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", default="fp16", choices=list(CORRELATION))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, default=JSON, help="where the result is kept")
    told = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "device": told.device, "precision": told.precision}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        said: list[str] = []
        result["tiny_off_by"] = check_tiny(work, told.device, said)
        result["notes"] = said
        begun = time.perf_counter()
        shape, kind = (TINY, "float32") if told.tiny else (LARGE, "float16")
        result["weights"] = write_checkpoint(work / "checkpoint", shape, kind)
        manifest = export(work / "checkpoint", work / "model", told.precision, told.device)
        result["build_seconds"] = round(time.perf_counter() - begun, 1)
        result["correlation"] = check_large(work / "checkpoint", work / "model", told.device, told.precision)
        result["weight_bytes"] = manifest.files["model.onnx.data"].bytes
        speed = bandwidth()
        with opened(work / "model", settings(told.device)) as engine:
            if told.device not in engine.name:
                sys.exit(f"{engine.name}: not where it was to be timed")
            result["context_tokens"] = len(engine.vocabulary.encode(text(engine, 1500)))
            result["cuda_graphs"] = engine.is_captured
            result["ms"] = measured(engine, told.rounds)
        if told.device == "cuda":
            with opened(work / "model", replace(settings(told.device), fixed_shapes=False)) as engine:
                load = Load(1500, 24, told.rounds, LETTERS)
                result["ms"]["24_tokens_without_cuda_graphs"] = asdict(keystrokes(engine, load))
        result["ms"]["whole_process"] = asyncio.run(through_the_process(work / "model", told))
    result["bars_ms"] = BARS
    if speed:
        floor = 1000 * result["weight_bytes"] / speed
        result["bandwidth_bytes_per_second"] = round(speed)
        result["floor_ms_per_token"] = round(floor, 3)
        result["share_of_floor_24_tokens"] = round(24 * floor / result["ms"]["24_tokens"]["p50"], 3)
    print(json.dumps(result, indent=2))
    if not told.tiny:
        told.json.parent.mkdir(exist_ok=True)
        told.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
