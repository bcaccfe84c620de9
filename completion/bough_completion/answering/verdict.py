"""Turn a model's text into suggestions: it must fit, and be confident enough to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bough_completion.prompt.writers import Written
from bough_completion.query import Query, Suggestion
from bough_completion.text.extent import extent
from bough_completion.text.finish import fitting
from bough_completion.text.syntax import breaks

# A model's own probability of the first line from which that is shown; chosen before real weights could be run.
SHOWN_FROM = 0.3
# Characters that no one types into code: they move a terminal's cursor or change the direction of text.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]")
# The confidence of an answer from a server that reports none.
UNTOLD = 0.5


def judged(written: Written, query: Query, engine: str, known: Sequence[Suggestion]) -> list[Suggestion]:
    """Return the answers to `query`, best first: what the model wrote, where it may be inserted, and `known`.

    An unfinished text counts only up to its last whole line. Confident answers go first, the model's before others.
    """
    found = [*filter(None, [_suggestion(written, query, engine, known)])]
    texts = {one.text for one in found}
    ranked = sorted([*found, *(one for one in known if one.text not in texts)], key=lambda one: not one.shown)
    return ranked[: query.limit]


def _suggestion(written: Written, query: Query, engine: str, known: Sequence[Suggestion]) -> Suggestion | None:
    text = written.text
    if not written.ended:
        text = text[: max(0, text.rfind("\n"))]
    text = fitting(extent(text, query.prefix, query.max_lines)[0], query.prefix, query.suffix, query.max_lines)
    if not text.strip() or _UNSEEN.search(text) or breaks(query, text):
        return None
    sure = UNTOLD if written.line_confidence is None else written.line_confidence
    confidence = sure if written.confidence is None else written.confidence
    same = next((one for one in known if one.text == text), None)
    mine = Suggestion(text, confidence, "model", engine, shown=sure >= SHOWN_FROM)
    if same is None:
        return mine
    # Two equal ones are at least as certain as the more certain one; where it was learned is the better source.
    confidence, shown = max(confidence, same.confidence), mine.shown or same.shown
    return replace(mine, confidence=confidence, source=same.source, shown=shown)
