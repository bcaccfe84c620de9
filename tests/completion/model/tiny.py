"""Make the tiny exported model that lies beside this file, with what transformers says it must answer.

usage: python -m tests.completion.model.tiny

With it, serving is held against transformers also where torch and the exporter are not installed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from bough_completion.model import graph, manifest

FOLDER = Path(__file__).parent / "tiny"
EXPECTED = FOLDER / "expected.json"
OLDER = FOLDER.with_name("older.onnx")
"""Its graph in the form of exports that do not pick the best token: what `graph.pick_best` was given."""
ROWS = 4


def main() -> None:
    """Export the model, run transformers, write both."""
    import numpy as np
    import torch
    import transformers
    from bough_completion.model.export import export

    from tests.completion.model import checkpoints

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    prompt = [int(each) for each in np.random.default_rng(11).integers(0, 250, 40)]
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        checkpoint = checkpoints.make(
            Path(work) / "tiny", "Qwen2", **shape, num_hidden_layers=2, max_position_embeddings=128
        )
        export(checkpoint, FOLDER, "fp32")
        drop_picks(FOLDER / manifest.GRAPH, OLDER)
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        tokens = list(prompt)
        with torch.no_grad():
            logits = model(torch.tensor([prompt])).logits[0, -ROWS:].numpy()
            while len(tokens) < len(prompt) + 24:
                tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    told = {"prompt": prompt, "written": tokens[len(prompt) :], "logits": np.round(logits, 6).tolist()}
    EXPECTED.write_text(json.dumps(told) + "\n")


def drop_picks(path: Path, target: Path) -> None:
    """Write the graph at `path` without what `graph.pick_best` added."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    for part in (model.graph.node, model.graph.initializer):
        for each in [each for each in part if each.name.startswith("/pick/")]:
            part.remove(each)
    for each in [each for each in model.graph.output if each.name in (graph.BEST, graph.CHANCE)]:
        model.graph.output.remove(each)
    onnx.save(model, str(target))


if __name__ == "__main__":
    main()
