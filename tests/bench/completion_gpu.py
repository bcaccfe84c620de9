"""Build a model of 3 billion random weights on a GPU machine, check it, time it, and write what was measured.

usage: python tests/bench/completion_gpu.py [--precision fp16] [--device cuda] [--tiny] [--rounds 40] [--out FILE]

Runs whole in one call and needs no network: torch, transformers, onnx, onnxruntime-genai (the `export` extra),
tokenizers and onnxruntime-gpu. The shape is Qwen2.5-Coder-3B's; random weights cost the time of trained ones. First a
tiny model must follow transformers on this device, through prefill, rewind, slot copy, captured runs, batch and drafts;
then the large one must agree with torch on what comes next. Only then anything is timed: in this process, with CUDA
graphs and without, and through the whole completion process. `--tiny --device cpu` tries the script out
where there is no GPU; its times mean nothing.

Each stage prints a line when it begins and what it found when it ends, and appends that to FILE as a line of JSON at
once: so a run may be killed, or end at a time limit, and keeps what it had measured. A line has the `run` (its start),
the `stage`, the seconds that it took, and what it found: the machine, what was checked, per load the milliseconds
beside the bars. The stage `floor` says what reading the weights once per token would take at the bandwidth that a copy
on the same device reached.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib.metadata
import json
import os
import platform
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from bough_completion.model.bench import Load, aborts, check, editors, keystrokes, text
from bough_completion.model.engine import ModelEngine
from bough_completion.model.export import export
from bough_completion.model.runtime import RuntimeSettings
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
OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "completion_gpu.jsonl"


class GpuRecord:
    """What was found so far: on the screen, and in a file that a kill leaves whole."""

    def __init__(self, out: Path | None) -> None:
        """Append to `out`; None: show everything and keep nothing."""
        self._run = datetime.now(UTC).isoformat(timespec="seconds")
        self._out = out
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work of a stage, keep what it found and return it."""
        print(f"{name} …", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        found = work()
        spent = round(time.perf_counter() - begun, 1)
        line = json.dumps({"run": self._run, "stage": name, "seconds": spent, "found": found})
        print(line, flush=True)
        if self._out is not None:
            with self._out.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        return found


def settings(device: str) -> RuntimeSettings:
    """Slots for every editor, a window that holds the context, drafts as long as they come."""
    return RuntimeSettings(
        device=device, threads=8, slots=EDITORS, window_tokens=2048, chunk_tokens=512, draft_tokens=16
    )


def place() -> str:
    """Return where torch makes and runs weights best."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def reference(checkpoint: Path, tokens: list[int]) -> Any:
    """Return torch's logits of every token as `float32[tokens, vocabulary]`, run in fp32 where torch runs best."""
    import torch
    import transformers

    where = place()
    torch.backends.cuda.matmul.allow_tf32 = False
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).to(where)
    with torch.no_grad():
        logits = model(torch.tensor([tokens], device=where)).logits[0].float().cpu().numpy()
    del model
    if where == "cuda":
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

    if place() == "cpu":
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
    return 10 * 2 * int(source.numel()) / (time.perf_counter() - begun)


def loads(rounds: int) -> dict[str, Callable[[ModelEngine], Any]]:
    """Return how each load is timed, the most telling first."""
    typed = {
        "24_tokens": Load(1500, 24, rounds, LETTERS),
        "12_tokens": Load(1500, 12, rounds, LETTERS),
        "12_tokens_right_draft": Load(1500, 12, rounds, LETTERS, drafted=True),
        "24_tokens_right_draft": Load(1500, 24, rounds, LETTERS, drafted=True),
    }
    return {
        **{name: functools.partial(keystrokes, load=load) for name, load in typed.items()},
        "8_editors_12_tokens": lambda engine: editors(engine, Load(1500, 12, rounds), EDITORS),
        "prefill_abort": aborts,
    }


def through_the_process(model: Path, told: Namespace, tokens: int, count: int) -> dict[str, Any]:
    """Time a load over the completion process's socket, as editors see it."""
    asked = {"rounds": told.rounds, "context": 1500, "tokens": tokens, "letters": LETTERS, "editors": count}
    found: dict[str, Any] = asyncio.run(whole(model, Namespace(device=told.device, threads=8, **asked)))
    if found["tokens_per_answer"] < 0.9 * tokens and not told.tiny:
        sys.exit(f"the process wrote {found['tokens_per_answer']} tokens an answer where {tokens} were asked for")
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


def build(work: Path, told: Namespace) -> dict[str, Any]:
    """Write random weights, made on the GPU where there is one, and export them."""
    shape, kind = (TINY, "float32") if told.tiny else (LARGE, "float16")
    begun = time.perf_counter()
    weights = write_checkpoint(work / "checkpoint", shape, kind, place())
    written = time.perf_counter()
    say = functools.partial(print, file=sys.stderr, flush=True)
    manifest = export(work / "checkpoint", work / "model", told.precision, told.device, say=say)
    return {
        "weights": weights,
        "weight_bytes": manifest.files["model.onnx.data"].bytes,
        "checkpoint_seconds": round(written - begun, 1),
        "export_seconds": round(time.perf_counter() - written, 1),
    }


def time_engine(record: GpuRecord, model: Path, told: Namespace) -> None:
    """Time every load in this process, and one of them without CUDA graphs."""
    with opened(model, settings(told.device)) as engine:
        if told.device not in engine.name:
            sys.exit(f"{engine.name}: not where it was to be timed")
        served = {
            "context_tokens": len(engine.vocabulary.encode(text(engine, 1500))),
            "cuda_graphs": engine.is_captured,
        }
        record.stage("loaded", lambda: served)
        for name, timed in loads(told.rounds).items():
            bars = {"bars": BARS.get(name)}
            record.stage(name, lambda: asdict(timed(engine)) | bars)
    if told.device == "cuda":
        with opened(model, replace(settings(told.device), fixed_shapes=False)) as engine:
            load = Load(1500, 24, told.rounds, LETTERS)
            record.stage("24_tokens_without_cuda_graphs", lambda: asdict(keystrokes(engine, load)))


def floor(weight_bytes: int) -> dict[str, Any] | None:
    """Return the least that a token can take where every weight is read once; None where there is no GPU."""
    speed = bandwidth()
    if speed is None:
        return None
    return {"bandwidth_bytes_per_second": round(speed), "ms_per_token": round(1000 * weight_bytes / speed, 3)}


def main() -> None:
    """Build, check, time; write each as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", default="fp16", choices=list(CORRELATION))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true", help="a small model, to try the script out")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--out", type=Path, help="where results are appended; a tiny run keeps none without it")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was ended; what was measured is kept"))
    record = GpuRecord(told.out or (None if told.tiny else OUT))
    record.stage("machine", lambda: machine() | {"device": told.device, "precision": told.precision})
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        said: list[str] = []
        record.stage("tiny_off_by", lambda: check_tiny(work, told.device, said) | {"notes": said})
        built = record.stage("build", lambda: build(work, told))
        large = (work / "checkpoint", work / "model", told.device, told.precision)
        record.stage("correlation", lambda: check_large(*large))
        record.stage("floor", lambda: floor(built["weight_bytes"]))
        time_engine(record, work / "model", told)
        for tokens, count in ((12, 1), (24, 1), (12, EDITORS)):
            stage = f"whole_process_{tokens}_tokens_{count}_editors"
            record.stage(stage, functools.partial(through_the_process, work / "model", told, tokens, count))


if __name__ == "__main__":
    main()
