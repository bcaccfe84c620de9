"""A model behind one call: text around the cursor in, text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bough_completion.model import manifest
from bough_completion.model.batch import Batcher, Request, answer_of
from bough_completion.model.decode import following, no_draft
from bough_completion.model.runtime import Settings, Stop
from bough_completion.model.session import Session
from bough_completion.model.template import Prompt, template_named
from bough_completion.model.vocabulary import Vocabulary
from bough_completion.model.window import fit


@dataclass(frozen=True)
class Answer:
    """What the model wrote at the cursor.

    `confidence` is the model's own probability of exactly this text. `complete` is False when it was stopped or ran
    out of time, and `text` is as far as it came. `reused` of the `prompt_tokens` were decoded already; `runs` is how
    often the model was run.
    """

    text: str
    confidence: float
    complete: bool
    tokens: int
    prompt_tokens: int
    reused: int
    runs: int


class ModelEngine:
    """One loaded model. Threads share it; `close` ends its thread."""

    def __init__(
        self, folder: Path, settings: Settings | None = None, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """Load the model that was exported into `folder`.

        Raise `BadModel` or `MissingLibrary`. `say` is told when a GPU was wanted and the CPU serves instead.
        """
        settings = settings or Settings()
        self.manifest = manifest.read(folder)
        self.vocabulary = Vocabulary(folder / manifest.TOKENIZER)
        self._template = template_named(self.manifest.template) if self.manifest.template else None
        self._stop_tokens = frozenset(self.manifest.stop)
        self._session = Session(folder, settings, say)
        self._batcher = Batcher(self._session)

    @property
    def name(self) -> str:
        """What it is, for people: the model, its precision and where it runs."""
        return f"{self.manifest.name} {self.manifest.precision} on {self._session.device}"

    @property
    def window(self) -> int:
        """How many tokens of prompt and answer together fit."""
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
        progress: Callable[[str], None] | None = None,
    ) -> Answer:
        """Return what belongs at the cursor: at most `max_lines` lines and `limit` tokens.

        A prompt that is longer than `window` leaves room for is cut (see `fit`).
        After `patience` seconds the answer is what there is by then. `draft` is a guess of the answer: where it is
        right it costs no run of its own, where it is wrong it changes nothing. `stop` ends it from any thread.
        `progress` is told the text so far, on the serving thread.

        Raise `ContextFull` when the line that was begun fills the window alone.
        """
        tokens = self._tokens(fit(prompt, self.window - limit, lambda cut: len(self._tokens(cut))))
        request = Request(
            tokens,
            limit,
            stop or Stop(),
            self._stop_tokens,
            lambda written: self._lines(written) > max_lines - 1,
            following(self.vocabulary.encode(draft)) if draft else no_draft,
            (lambda written: progress(self._text(written, max_lines))) if progress else (lambda written: None),
        )
        self._batcher.submit(request)
        complete = answer_of(request, patience)
        return Answer(
            self._text(request.tokens, max_lines),
            math.prod(request.chances),
            complete,
            len(request.tokens),
            len(tokens),
            request.reused,
            request.runs,
        )

    def close(self) -> None:
        """End the serving thread; answers in the making come back as they are."""
        self._batcher.close()

    def _tokens(self, prompt: Prompt) -> list[int]:
        if self._template is None:
            # Where there is no text at all, the end of another one goes before.
            return list(self.vocabulary.encode(prompt.before + prompt.begun)) or [self.manifest.stop[0]]
        return self._template.tokens(prompt, self.vocabulary)

    def _lines(self, tokens: Sequence[int]) -> int:
        return self.vocabulary.decode(tokens).count("\n")

    def _text(self, tokens: Sequence[int], max_lines: int) -> str:
        return "\n".join(self.vocabulary.decode(tokens).split("\n")[:max_lines])
