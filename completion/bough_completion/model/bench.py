"""Measure how fast a model answers on this machine, after checking it."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bough_completion.errors import ModelError
from bough_completion.model.engine import Answer, ModelEngine
from bough_completion.model.runtime import Stop
from bough_completion.prompt.template import Prompt

WARM_UP = 5
MANY = 1_000_000
WORDS = "self value = ( ) return for in if not None index size name path read write open close : \n".split(" ")


class Contradiction(ModelError):
    """The model answers one question in two ways, so none of its figures would mean anything."""


@dataclass(frozen=True)
class Load:
    """The workload: a context of so many decoded tokens, letters typed after it, an answer's length."""

    context_tokens: int = 1000
    tokens: int = 16
    rounds: int = 40
    # Letters typed between two answers; a model with random weights has a token for each letter.
    letters: int = 1
    # Give each answer as its own draft, to see how much a right draft saves.
    drafted: bool = False


@dataclass(frozen=True)
class Times:
    """Milliseconds of `count` measurements: the median, the slow end, the maximum."""

    count: int
    p50: float
    p95: float
    worst: float


def check(engine: ModelEngine, load: Load) -> None:
    """Raise `Contradiction` unless the model writes the same again, on kept context, with right and wrong drafts."""
    before = text(engine, load.context_tokens)
    repeated = ask(engine, before, "ret", load.tokens)
    ask(engine, text(engine, load.context_tokens, seed=9), "ret", load.tokens)
    ask(engine, before, "something else", load.tokens)
    drafts = ["", repeated.text, "no such thing"]
    again = [ask(engine, before, "ret", load.tokens, draft).text for draft in drafts]
    if set(again) != {repeated.text}:
        raise Contradiction(f"{engine.name} wrote {repeated.text!r}, then {again!r}")


def keystrokes(engine: ModelEngine, load: Load, seed: int = 5) -> Times:
    """Time answers while letters are typed at the end of a context."""
    before, typed = text(engine, load.context_tokens, seed), ""
    spent = []
    for turn in range(load.rounds + WARM_UP):
        typed += ("abcdefgh" * load.letters)[turn % 8 :][: load.letters]
        draft = ask(engine, before, typed, load.tokens).text if load.drafted else ""
        begun = time.perf_counter()
        ask(engine, before, typed, load.tokens, draft)
        spent.append(time.perf_counter() - begun)
    return times(spent[WARM_UP:])


def editors(engine: ModelEngine, load: Load, count: int) -> Times:
    """Time answers of `count` editors that type at once, each in its own context."""
    with ThreadPoolExecutor(count) as pool:
        ready = threading.Barrier(count)

        def one(seed: int) -> list[float]:
            before, spent = text(engine, load.context_tokens, seed), []
            for turn in range(load.rounds + WARM_UP):
                ready.wait()
                begun = time.perf_counter()
                ask(engine, before, "abcdefgh"[: 1 + turn % 8], load.tokens)
                spent.append(time.perf_counter() - begun)
            return spent[WARM_UP:]

        return times([each for spent in pool.map(one, range(count)) for each in spent])


def aborts(engine: ModelEngine, rounds: int = 20) -> Times:
    """Time from stopping a prefill of the whole window until its caller returns."""
    spent: list[float] = []
    for turn in range(rounds):
        stop, asked = Stop(), list[float]()

        def end(stop: Stop = stop, asked: list[float] = asked) -> None:
            asked.append(time.perf_counter())
            stop.ask()

        prompt = Prompt(text(engine, engine.window - 64, seed=100 + turn))
        timer = threading.Timer(0.005 * (turn + 1), end)
        timer.start()
        told = engine.complete(prompt, limit=1, max_lines=MANY, stop=stop)
        back = time.perf_counter()
        timer.join()
        if not told.complete:
            spent.append(back - asked[0])
    return times(spent)


def ask(engine: ModelEngine, before: str, begun: str, tokens: int, draft: str = "") -> Answer:
    """Ask for `tokens` tokens between `before` and a fixed end, whatever the number of lines."""
    return engine.complete(Prompt(before, "\nend\n", begun), limit=tokens, max_lines=MANY, draft=draft)


def text(engine: ModelEngine, tokens: int, seed: int = 5) -> str:
    """Return seeded words, at most `tokens` tokens of them."""
    draw, words, size = random.Random(seed), list[str](), 0
    while True:
        words.append(f"{draw.choice(WORDS)} ")
        size += len(engine.vocabulary.encode(words[-1]))
        if size > tokens:
            return "".join(words[:-1])


def times(spent: list[float]) -> Times:
    """Return the statistics of durations in seconds."""
    ranked = sorted(1000 * each for each in spent) or [0.0]
    p50, p95, worst = (ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.5, 0.95, 1))
    return Times(len(spent), round(p50, 2), round(p95, 2), round(worst, 2))
