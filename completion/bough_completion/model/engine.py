"""A model behind one call: text around the cursor in, text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bough_completion.model import manifest
from bough_completion.model.batch import Batcher, Request, answer_of
from bough_completion.model.decode import following
from bough_completion.model.runtime import RuntimeSettings, Stop
from bough_completion.model.session import Session
from bough_completion.model.typed import TypedLine
from bough_completion.prompt.template import Prompt, template_named
from bough_completion.prompt.vocabulary import Vocabulary
from bough_completion.prompt.window import fit


@dataclass(frozen=True)
class Answer:
    """What the model wrote at the cursor.

    `confidence` is the model's own probability of exactly this text, `line_confidence` that of its first line.
    `complete` is False if it was stopped or ran out of time, and `text` is incomplete; `ended` is False if the limit of
    tokens cut it. `reused` of the `prompt_tokens` were already decoded; `runs` counts the model's runs.
    """

    text: str
    confidence: float
    line_confidence: float
    complete: bool
    ended: bool
    tokens: int
    prompt_tokens: int
    reused: int
    runs: int


class ModelEngine:
    """One loaded model. Threads share it; `close` ends its thread."""

    def __init__(
        self, folder: Path, settings: RuntimeSettings | None = None, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """Load the model that was exported into `folder`.

        Raise `BadModel` or `MissingLibrary`. `say` is called if a GPU was wanted and the CPU is used instead.
        """
        settings = settings or RuntimeSettings()
        self.manifest = manifest.read(folder)
        self.vocabulary = Vocabulary(folder / manifest.TOKENIZER)
        self._template = template_named(self.manifest.template) if self.manifest.template else None
        self._stop_tokens = frozenset(self.manifest.stop)
        self._session = Session(folder, settings, say)
        self._batcher = Batcher(self._session)

    @property
    def name(self) -> str:
        """For messages: the model, its precision and where it runs."""
        return f"{self.manifest.name} {self.manifest.precision} on {self._session.device}"

    @property
    def is_captured(self) -> bool:
        """Return whether a GPU captures its short runs as CUDA graphs."""
        return self._session.is_captured

    @property
    def window(self) -> int:
        """How many tokens of prompt and answer fit together."""
        return self._session.window

    def complete(
        self,
        prompt: Prompt,
        *,
        max_lines: int = 1,
        limit: int = 48,
        patience: float | None = None,
        draft: str = "",
        stop: Stop | None = None,
        progress: Callable[[Answer], None] | None = None,
        is_over: Callable[[str], bool] = lambda text: False,
        owner: Hashable = None,
    ) -> Answer:
        """Return what belongs at the cursor: at most `max_lines` lines and `limit` tokens.

        `is_over`, asked on the serving thread, ends it earlier. `owner` identifies a repeated asker, who has a slot of
        its own if there are enough of them. A prompt that is longer than `window` leaves room for is cut (see `fit`).
        After `patience` seconds the answer is what there is by then. `draft` is a guess of the answer: if it is right
        it costs no run of its own, if it is wrong it changes nothing. `stop` ends it from any thread. `progress` gets
        the answer so far, on the serving thread. Raise `ContextFull` if the current line alone fills the window.
        """
        typed = TypedLine(prompt.begun, self.vocabulary)
        spelled = len(typed.spelled)
        cut = fit(prompt, self.window - limit, lambda cut: len(self._tokens(cut, typed)) + spelled)

        def text_of(written: Sequence[int]) -> str:
            return typed.without(self.vocabulary.decode(written))

        def ends(written: Sequence[int]) -> bool:
            text = text_of(written)
            return text.count("\n") >= max_lines or is_over(text)

        def answer(written: Sequence[int], chances: Sequence[float]) -> Answer:
            """Return an answer as far as it was written."""
            first = next((size for size in range(1, len(written)) if "\n" in text_of(written[:size])), len(written))
            return Answer(
                "\n".join(text_of(written).split("\n")[:max_lines]),
                math.prod(chances),
                math.prod(chances[:first]),
                complete=False,
                ended=False,
                tokens=len(written),
                prompt_tokens=len(request.prompt),
                reused=request.reused,
                runs=request.runs,
            )

        request = Request(
            self._tokens(cut, typed),
            limit + spelled,
            stop or Stop(),
            self._stop_tokens,
            ends,
            following(self._draft(typed, draft)),
            typed.allowed,
            owner=owner,
        )
        if progress is not None:
            request.progress = lambda written, chances: progress(answer(written, chances))
        self._batcher.submit(request)
        complete = answer_of(request, patience)
        ended = complete and (len(request.tokens) < request.limit or ends(request.tokens))
        return replace(answer(request.tokens, request.chances), complete=complete, ended=ended)

    def warm(self) -> None:
        """Run once, so that the first question does not wait for initialization."""
        self.complete(Prompt("warm", begun="warm"), limit=2)

    def close(self) -> None:
        """End the serving thread; unfinished answers are returned as they are."""
        self._batcher.close()

    def _tokens(self, prompt: Prompt, typed: TypedLine) -> list[int]:
        prompt = replace(prompt, begun=typed.stable)
        if self._template is None:
            found = list(self.vocabulary.encode(prompt.before + prompt.begun))
        else:
            found = self._template.tokens(prompt, self.vocabulary)
        # If there is no text at all, the end of another one precedes.
        return [*found, *typed.forced] or [self.manifest.stop[0]]

    def _draft(self, typed: TypedLine, draft: str) -> Sequence[int]:
        """Return the likely tokens: the draft's with the typed word before it, or those of that word alone.

        The last token of half a word is seldom the one in the whole word.
        """
        return self.vocabulary.encode(typed.rest + draft) if draft else typed.spelled[:-1]
