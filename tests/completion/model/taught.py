"""Teach a tiny model a few lines of code by heart and export it; the result lies beside this file.

usage: python -m tests.completion.model.taught

Unlike random weights it is sure of what it writes, so that what a model's answer goes through on its way to an editor
can be tested with a real one. It takes a minute or two.
"""

from __future__ import annotations

import random
import shutil
import string
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "taught"
LINES = (
    "till.open_drawer(coins, notes)",
    "basket.add(apple, count=3)",
    "receipt.print_on(paper)",
    "return sum(self.prices)",
    "def total(self):\n    return sum(self.prices)",
    "while queue:\n    customer = queue.pop()\n    customer.pay(till)",
)
GUESSES = ("alpha", "bravo", "carol", "delta", "eagle", "fiber", "grape", "hotel")
"""What may follow `guess.`; no one can be sure of it."""
STEPS, BATCH = 3000, 8


def example(draw: random.Random) -> tuple[str, str]:
    """Return a prompt in Qwen's order, and what belongs in the middle of it."""
    indent = " " * draw.choice((0, 0, 4, 8))
    lines = [*LINES, f"guess.{draw.choice(GUESSES)}"]
    target = draw.choice(lines)
    typed = draw.randint(2, len(target.partition("\n")[0]) - 1)
    if target.startswith("guess."):
        typed = len("guess.")
    target = target.replace("\n", f"\n{indent}")
    before = "".join(f"{noise(draw, lines)}\n" for _ in range(draw.randint(0, 3)))
    after = "".join(f"\n{noise(draw, lines)}" for _ in range(draw.randint(0, 1)))
    files = ""
    if draw.random() < 0.2:
        files = f"<|repo_name|>shop\n<|file_sep|>other.py\n{noise(draw, lines)}\n<|file_sep|>here.py\n"
    prompt = f"{files}<|fim_prefix|>{before}<|fim_suffix|>{after}<|fim_middle|>{indent}{target[:typed]}"
    return prompt, target[typed:] + "<|endoftext|>"


def noise(draw: random.Random, lines: list[str]) -> str:
    """Return a line that says nothing about what comes."""
    if draw.random() < 0.4:
        return draw.choice(lines)
    return "".join(draw.choices(string.ascii_letters + string.digits + " _.()=:#,\"'", k=draw.randint(0, 25)))


def main() -> None:
    """Teach, export."""
    import torch
    from bough_completion.model.export import export
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    from tests.completion.model import checkpoints

    shape = {"hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 3, "num_key_value_heads": 1}
    with tempfile.TemporaryDirectory() as work:
        checkpoint = checkpoints.make(
            Path(work) / "taught",
            "Qwen2",
            **shape,
            num_hidden_layers=2,
            max_position_embeddings=1024,
            initializer_range=0.05,
            tie_word_embeddings=True,
        )
        tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS)
        draw = random.Random(1)
        torch.set_num_threads(1)
        for step in range(STEPS):
            rows = [[tokenizer.encode(text).ids for text in example(draw)] for _ in range(BATCH)]
            longest = max(len(prompt) + len(middle) for prompt, middle in rows)
            padding = [longest - len(prompt) - len(middle) for prompt, middle in rows]
            fed = torch.tensor([[*p, *m, *[256] * pad] for (p, m), pad in zip(rows, padding, strict=True)])
            told = [[*[-100] * len(p), *m, *[-100] * pad] for (p, m), pad in zip(rows, padding, strict=True)]
            loss = model(fed, labels=torch.tensor(told)).loss
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            if step % 100 == 0:
                print(step, round(float(loss.detach()), 4), flush=True)
        model.save_pretrained(checkpoint)
        shutil.rmtree(FOLDER, ignore_errors=True)
        export(checkpoint, FOLDER, "fp32")


if __name__ == "__main__":
    main()
