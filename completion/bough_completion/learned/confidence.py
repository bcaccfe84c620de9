"""Choose the answer among the likeliest lines, and estimate its chance from the votes and from experience.

All numbers were fitted to 1,746 questions of tests/bench/completion_replay.py about nine repositories; fitted to eight,
they predicted the ninth equally well.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p

from bough_completion.learned.search import Line
from bough_completion.learned.tokens import split

# Probability from which a line is shown: about a third of all lines are, and more than half of those are right.
_SHOWN_FROM = 0.26
_LEAST = 1e-4


@dataclass(frozen=True)
class Evidence:
    """The evidence for an answer and against it.

    `chance` is that of the votes, `agreement` how many tokens its best vote agrees on, `written` and `typed` how many
    tokens the answer has and are before it on its line, `repeats` that the whole line also occurs above.
    """

    chance: float
    agreement: int
    written: int
    typed: int
    repeats: bool

    @property
    def score(self) -> float:
        """Return the sort key of answers to one question: a conditional logistic regression."""
        score = 0.44 * log(max(self.chance, _LEAST)) + 1.07 * log1p(self.agreement)
        return score - 0.91 * log(self.written) + 1.94 * self.repeats

    @property
    def confidence(self) -> float:
        """Return the chance that the answer with the highest score is right: a logistic regression.

        The votes alone are far too optimistic: of the answers that they gave a chance of 97 % and more, 69 % were
        right.
        """
        chance = min(max(self.chance, _LEAST), 1 - _LEAST)
        score = -2.15 + 0.22 * log(chance / (1 - chance)) + 1.26 * log1p(self.agreement)
        score += -0.73 * log(self.written) - 1.07 * log1p(self.typed) + 0.5 * self.repeats
        return 1 / (1 + exp(-score))

    @property
    def is_shown(self) -> bool:
        """Return whether the answer is certain enough to be shown unasked."""
        return self.confidence >= _SHOWN_FROM


def evidence(line: Line, text: str, prefix: str) -> Evidence:
    """Return the evidence for `text`, the first line of an answer after `prefix`."""
    above, _, typed = prefix.rpartition("\n")
    whole = (typed + text).strip()
    repeats = whole in above and any(other.strip() == whole for other in above.split("\n"))
    written, before = max(1, len(split(text))), len(split(typed.strip()))
    return Evidence(line.chance, line.agreement, written, before, repeats)
