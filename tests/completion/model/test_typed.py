"""An answer continues the word that is half typed, in the tokens that a model knows it by."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bough_completion.model import manifest
from bough_completion.model.decode import advance, begin
from bough_completion.model.engine import ModelEngine
from bough_completion.model.runtime import RuntimeSettings, Stop
from bough_completion.model.session import Session
from bough_completion.model.typed import TypedLine
from bough_completion.prompt.template import TEMPLATES, Prompt
from bough_completion.prompt.vocabulary import REPLACEMENT, Vocabulary
from hypothesis import given
from hypothesis import strategies as st

from tests.completion.model.tiny import FOLDER

WHY = "needs {}, of the extra that `pip install 'bough[cpu]'` brings"
pytest.importorskip("onnxruntime", reason=WHY.format("onnxruntime"))
pytest.importorskip("tokenizers", reason=WHY.format("tokenizers"))

WORDS = (".prices", ".price", ".print", ".pop", " return", " range", " ret", "   ", "((", " =", "self", "grün")
SETTINGS = RuntimeSettings(device="cpu", slots=2, window_tokens=128, chunk_tokens=16)


def with_words(source: Path, target: Path) -> None:
    """Write the tokenizer of single bytes and markers with the tokens of `WORDS` besides, merged letter by letter."""
    told = json.loads(source.read_text())
    alphabet = bytes_to_letters()
    known, merges = told["model"]["vocab"], list[list[str]]()
    # A marker that the model's own vocabulary lacks would get the next free number instead of its own.
    known |= {each["content"]: each["id"] for each in told["added_tokens"]}
    number = 1 + max(known.values())
    for word in WORDS:
        letters = [alphabet[byte] for byte in word.encode()]
        for size in range(2, len(letters) + 1):
            joined = "".join(letters[:size])
            if joined not in known:
                known[joined], number = number, number + 1
                merges.append([joined[:-1], letters[size - 1]])
    told["model"]["merges"] = merges
    target.write_text(json.dumps(told))


def bytes_to_letters() -> dict[int, str]:
    """Return the letters that stand for bytes in a byte-level vocabulary (GPT-2's `bytes_to_unicode`)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(rest)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with whole words among its tokens."""
    folder = tmp_path_factory.mktemp("models") / "words"
    shutil.copytree(FOLDER, folder)
    with_words(FOLDER / manifest.TOKENIZER, folder / manifest.TOKENIZER)
    return folder


@pytest.fixture(scope="module")
def words(model: Path) -> Vocabulary:
    return Vocabulary(model / manifest.TOKENIZER)


@pytest.fixture
def engine(model: Path, request: pytest.FixtureRequest) -> Iterator[ModelEngine]:
    opened = ModelEngine(model, replace(SETTINGS, **getattr(request, "param", {})))
    yield opened
    opened.close()


def texts(vocabulary: Vocabulary, tokens: object) -> set[str]:
    return {vocabulary.decode([token]) for token in tokens}  # type: ignore[attr-defined]


def test_the_tokens_of_a_beginning_are_its_continuations_and_its_own_beginnings(words: Vocabulary) -> None:
    assert texts(words, words.beginnings(".pri")) == {".", ".p", ".pr", ".pri", ".pric", ".price", ".prices"} | {
        ".prin",
        ".print",
    }
    assert texts(words, words.beginnings("ö")) == set()
    assert words.beginnings("") == ()


@pytest.mark.parametrize(
    ("typed", "stable", "rest"),
    [
        ("", "", ""),
        ("    self.pri", "    self", ".pri"),
        ("    retu", "   ", " retu"),
        ("    return ", "    return", " "),
        ("    ", "", "    "),
        ("f((", "f", "(("),
        ("x =", "x", " ="),
        ("grü", "", "grü"),
        ("x = 語", "x =", " "),  # the character has no token, so its bytes go into the prompt
        ("zz", "", ""),  # there is one way to spell it only
        ("a" * 80, "a" * 80, ""),
    ],
)
def test_what_tokenizers_do_not_cut_is_left_to_the_answer(
    words: Vocabulary, typed: str, stable: str, rest: str
) -> None:
    found = TypedLine(typed, words)
    forced = words.decode(found.forced)
    assert (found.stable, found.rest) == (stable, rest) or (found.stable + forced, found.rest) == (typed, "")


@given(st.text(st.sampled_from("self.pricn t(=x_1grüö語\t<|\ufffd"), max_size=30), st.data())
def test_whatever_is_chosen_of_what_is_allowed_spells_what_was_typed(
    words: Vocabulary, typed: str, data: st.DataObject
) -> None:
    found, written = TypedLine(typed, words), list[int]()
    while (allowed := found.allowed(written)) is not None:
        assert allowed
        written.append(data.draw(st.sampled_from(list(allowed))))
    spelled = found.stable + words.decode([*found.forced, *written])
    assert spelled.startswith(typed.rstrip(REPLACEMENT))
    assert found.without(words.decode(written)) == spelled[len(typed) :]


def test_a_marker_is_never_how_a_word_goes_on(words: Vocabulary) -> None:
    for typed in ("<", "<|", "<|fim_"):
        assert not {words.id_of(each) for each in TEMPLATES["qwen"].markers} & set(words.beginnings(typed))


def expected(model: Path, prompt: Prompt, template: str | None, words: Vocabulary, limit: int) -> str:
    """Return what a plain search over all the model's scores writes, token by token, in a session of its own."""
    session, typed, written = Session(model, SETTINGS), TypedLine(prompt.begun, words), list[int]()
    asked = replace(prompt, begun=typed.stable)
    tokens = TEMPLATES[template].tokens(asked, words) if template else list(words.encode(asked.before + asked.begun))
    fed = [*tokens, *typed.forced]
    while len(written) < limit:
        (scores,) = session.run(0, fed, [len(fed) - 1])
        text = words.decode(written)
        left = typed.rest[len(text) :]
        spelled = {token: words.decode([token]) for token in range(len(scores))}
        fits = [
            token
            for token, part in spelled.items()
            if not left or (part and (left.startswith(part) or part.startswith(left)))
        ]
        fed = [max(fits, key=lambda token: float(scores[token]))]
        if not left and fed[0] in manifest.read(model).stop:
            break
        written += fed
    return words.decode(written)[len(typed.rest) :]


@pytest.mark.parametrize("engine", [{}, {"fixed_shapes": True}], indirect=True, ids=["any shape", "fixed shapes"])
@pytest.mark.parametrize("begun", ["    self.pri", "    retu", "  grü", "f((", "  ", "x"])
def test_the_answer_is_the_likeliest_that_begins_with_the_half_typed_word(
    engine: ModelEngine, model: Path, words: Vocabulary, begun: str
) -> None:
    prompt = Prompt("def f(self):\n", "\nend\n", begun)
    limit = 8 + len(TypedLine(begun, words).spelled)
    wanted = expected(model, prompt, "qwen", words, limit)
    for draft in ("", wanted, "no such thing", wanted[:3] + "zz"):
        told = engine.complete(prompt, limit=8, max_lines=99, draft=draft)
        assert told.text == wanted
        assert 0 < told.confidence <= 1


def test_a_model_without_markers_continues_the_word_too(model: Path, words: Vocabulary, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "plain")
    replace(manifest.read(model), template=None).write(tmp_path / "plain")
    opened = ModelEngine(tmp_path / "plain", SETTINGS)
    try:
        prompt = Prompt("def f(self):\n", "not read", "    x = self.pri")
        told = opened.complete(prompt, limit=8, max_lines=99)
        assert told.text == expected(model, prompt, None, words, 9)
        assert told.prompt_tokens == len(words.encode("def f(self):\n    x = self"))
    finally:
        opened.close()


def test_while_a_word_is_typed_the_prompt_stays_decoded(engine: ModelEngine) -> None:
    engine.complete(Prompt("def f(self):\n", "\n", "    self.p"), limit=4, max_lines=99)
    for begun in ("    self.pr", "    self.pri", "    self.pric"):
        again = engine.complete(Prompt("def f(self):\n", "\n", begun), limit=4, max_lines=99)
        assert again.prompt_tokens - again.reused == 1


def test_editors_at_once_in_the_middle_of_words_get_what_each_gets_alone(engine: ModelEngine) -> None:
    prompts = [Prompt(f"def f{number}(self):\n", "\n", "    self.pri"[: 8 + number]) for number in range(5)]
    alone = [engine.complete(each, limit=8, max_lines=99).text for each in prompts]
    with ThreadPoolExecutor(len(prompts)) as editors:
        together = list(editors.map(lambda each: engine.complete(each, limit=8, max_lines=99).text, prompts))
    assert together == alone


def test_a_batch_holds_each_answer_to_its_own_word(model: Path, words: Vocabulary) -> None:
    session, answers = Session(model, SETTINGS), []
    held = [TypedLine(".pri", words), TypedLine("", words)]
    for row, typed in enumerate(held):
        answers.append(begin(session, row, list(words.encode("self")), 4, Stop(), held=typed.allowed))
    while not all(answer.done for answer in answers):
        advance(session, [answer for answer in answers if not answer.done])
    assert words.decode(answers[0].tokens).startswith(".pri")
    assert not words.decode(answers[1].tokens).startswith(".pri")


def test_a_chance_is_one_among_what_may_follow(model: Path, words: Vocabulary) -> None:
    session, typed = Session(model, SETTINGS), TypedLine(".price", words)
    fed = list(words.encode("self"))
    (scores,) = session.run(0, fed, [len(fed) - 1])
    answer = begin(session, 1, fed, 1, Stop(), held=typed.allowed)
    advance(session, [answer])
    weights = {token: float(np.exp(scores[token])) for token in words.beginnings(".price")}
    assert answer.tokens == [max(weights, key=weights.__getitem__)]
    assert answer.chances == pytest.approx([max(weights.values()) / sum(weights.values())], rel=1e-4)
