"""Decide which checkpoints can be exported from `config.json` alone, before anything heavy starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bough_completion.errors import BadCheckpoint, UnsupportedArchitecture, UnsupportedPrecision

# Compared with transformers in tests/completion/model; the exporter's own list is longer, but untested here.
EXPORTABLE = (
    "GemmaForCausalLM",
    "GraniteForCausalLM",
    "GraniteMoeHybridForCausalLM",
    "LlamaForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "SmolLM3ForCausalLM",
)

# onnxruntime-genai's builder has no class for these (its builder.py, 0.18).
KNOWN_GAPS = {
    "Starcoder2ForCausalLM": "StarCoder2",
    "StableLmForCausalLM": "StableLM",
    "GPTBigCodeForCausalLM": "GPTBigCode (StarCoder, SantaCoder)",
    "MPTForCausalLM": "MPT (Replit)",
    "MptForCausalLM": "MPT (Replit)",
    "CodeGenForCausalLM": "CodeGen",
    "GPTNeoXForCausalLM": "GPT-NeoX",
}

# fp32 is the reference that tests compare with. ORT's CPU kernels read fp16, but a graph exported for the CPU in fp16
# needs another attention form than the one served here, and is slower than int8 at the same memory. ORT's CUDA kernels
# of that form take no fp32, for which the exporter writes the other one.
# Weights that share one scale.
_BLOCK = 32
PRECISIONS = {"cpu": ("fp32", "int8", "int4"), "cuda": ("fp16", "int8", "int4")}


def config_of(checkpoint: Path) -> dict[str, Any]:
    """Return the checkpoint's `config.json`; raise `BadCheckpoint` if it is missing or unreadable."""
    try:
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{checkpoint} has no readable config.json, as a Hugging Face checkpoint has") from error
    if not isinstance(config, dict):
        raise BadCheckpoint(f"{checkpoint / 'config.json'} is not a JSON object")
    return config


def architecture_of(config: dict[str, Any]) -> str:
    """Return the architecture's name; raise `UnsupportedArchitecture` if it cannot be exported and served."""
    named = config.get("architectures") or ["(none named)"]
    name = str(named[0])
    if name in KNOWN_GAPS:
        raise UnsupportedArchitecture(
            f"{KNOWN_GAPS[name]} models cannot be exported: onnxruntime-genai's model builder has no {name}. "
            f"It exports {', '.join(_families())}"
        )
    if name not in EXPORTABLE:
        raise UnsupportedArchitecture(f"{name} cannot be exported; what can: {', '.join(_families())}")
    _refuse_recurrent(name, config)
    return name


def check_precision(precision: str, device: str) -> None:
    """Raise `UnsupportedPrecision` unless `device` serves weights of `precision`."""
    if device not in PRECISIONS:
        raise UnsupportedPrecision(f"{device} is not a device; they are {' and '.join(PRECISIONS)}")
    if precision not in PRECISIONS[device]:
        raise UnsupportedPrecision(f"{precision} is not for {device}; choose from {', '.join(PRECISIONS[device])}")


def is_mixable(config: dict[str, Any]) -> bool:
    """Return whether the exporter can choose 4 or 8 bits for each matrix, judging by their shapes.

    ONNX Runtime's k-quant packs the zero points of a row's blocks in pairs (its `weight_only.py`, 1.32), so every
    matrix must have an even number of blocks per row. Real models have; one that is a few dozen numbers wide may not.
    """
    hidden = int(config.get("hidden_size") or 0)
    heads = int(config.get("num_attention_heads") or 1)
    widths = (
        hidden,
        heads * int(config.get("head_dim") or hidden // heads),
        *(int(config[name]) for name in ("intermediate_size", "shared_intermediate_size") if config.get(name)),
    )
    return all(-(-width // _BLOCK) % 2 == 0 for width in widths)


def _families() -> list[str]:
    return [name.removesuffix("ForCausalLM") for name in EXPORTABLE]


def _refuse_recurrent(name: str, config: dict[str, Any]) -> None:
    # Rewinding is a shorter mask only if all state is keys and values of whole prefixes.
    layers = set(config.get("layer_types") or ()) - {"attention", "full_attention"}
    if layers:
        raise UnsupportedArchitecture(f"{name} with layers of type {', '.join(sorted(layers))} cannot be rewound")
    if config.get("num_local_experts"):
        raise UnsupportedArchitecture(f"{name} with experts is not served; a dense model of the family is")
