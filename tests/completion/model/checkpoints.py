"""Tiny checkpoints with random weights, in the form in which Hugging Face keeps real ones."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

VOCABULARY = 320
END = 256
MARKERS = tuple(
    f"<|{name}|>"
    for name in ("endoftext", "fim_prefix", "fim_suffix", "fim_middle", "file_sep", "fim_pad", "repo_name")
)

# Random weights of this spread give logits that differ by whole units, so that a wrong cache cannot pass unseen.
SPREAD = 0.15

SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": SPREAD,
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": END,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "Qwen2": {},
    "Llama": {},
    "Granite": {
        "embedding_multiplier": 12.0,
        "attention_multiplier": 0.0625,
        "residual_multiplier": 0.22,
        "logits_scaling": 0.5,
    },
    "GraniteMoeHybrid": {
        "layer_types": ["full_attention"] * 3,
        "num_local_experts": 0,
        "shared_intermediate_size": 128,
        "position_embedding_type": "rope",
        "embedding_multiplier": 12.0,
        "attention_multiplier": 0.0625,
        "residual_multiplier": 0.22,
        "logits_scaling": 0.5,
    },
    "Qwen3": {"head_dim": 16},
    "Gemma": {"head_dim": 16},
    "SmolLM3": {},
}


def make(folder: Path, family: str, **changes: Any) -> Path:
    """Write a checkpoint of `family` with seeded random weights into `folder` and return it."""
    import torch
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(7)
    config = getattr(transformers, f"{family}Config")(**{**SHAPE, **FAMILIES[family], **changes})
    model = getattr(transformers, f"{family}ForCausalLM")(config).float().eval()
    model.save_pretrained(folder)
    write_tokenizer(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights.\n")
    return folder


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of single bytes and the markers of Qwen2.5-Coder's kind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(MARKERS))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=MARKERS[0]).save_pretrained(folder)
