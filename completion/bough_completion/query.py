"""The queries and answers of completion."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class BlobKind(Enum):
    """The origin of a blob."""

    # A file of the member's own working tree, as saved.
    TREE = "tree"
    # A file open in the member's own editor, with edits that are not saved.
    BUFFER = "buffer"
    # Text of the member's own recent commits.
    COMMIT = "commit"
    # A file of a teammate's live branch that differs from the member's own.
    LIVE = "live"


@dataclass(frozen=True)
class Origin:
    """Where a blob comes from; `member` names the teammate of a live branch."""

    kind: BlobKind = BlobKind.TREE
    member: str = ""


# The member's own working tree.
SAVED = Origin()


# The member's own editor, with edits that are not saved.
BUFFER = Origin(BlobKind.BUFFER)

# The name of the engine that needs no model.
REPOSITORY_ENGINE = "repository engine, no model"


# Tokens that a model may write if the question does not say.
MAX_TOKENS = 128


@dataclass(frozen=True)
class Query:
    """A question for what belongs between `prefix` and `suffix`, the whole text of `path` around the cursor.

    `max_lines` limits a block; 1 asks for the rest of the line. `limit` limits the suggestions. `patience` is how many
    seconds may be spent; the best by then is the answer. `max_tokens` limits what a model writes.
    """

    path: str
    prefix: str
    suffix: str = ""
    max_lines: int = 1
    limit: int = 1
    patience: float = 0.05
    max_tokens: int = MAX_TOKENS


@dataclass(frozen=True)
class Suggestion:
    """Text to insert at the cursor.

    `confidence` is the estimated chance, 0 to 1, that this is exactly what the member types next. `source` says where
    it was learned: `repository`, or `live:NAME` if only a teammate's live branch has it, or `model`. `shown` says
    whether it may be shown unasked.
    """

    text: str
    confidence: float
    source: str = "repository"
    engine: str = REPOSITORY_ENGINE
    shown: bool = False


@dataclass(frozen=True)
class ModelUse:
    """What models have done: their answers, the tokens of these and of the prompts, and those already decoded."""

    answers: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0

    def __add__(self, other: ModelUse) -> ModelUse:
        return ModelUse(
            self.answers + other.answers,
            self.tokens + other.tokens,
            self.prompt_tokens + other.prompt_tokens,
            self.reused_tokens + other.reused_tokens,
        )


# No use of a model yet.
NO_USE = ModelUse()


@dataclass(frozen=True)
class Stats:
    """What an engine holds, what became of its answers, and notices for the user.

    `engine` names what answers best now; `notes` are sentences, none while everything is as configured.
    """

    blobs: int
    tokens: int
    words: int
    kinds: dict[str, int] = field(default_factory=dict)
    shown: int = 0
    accepted: int = 0
    accepted_characters: int = 0
    engine: str = ""
    notes: tuple[str, ...] = ()
    model: ModelUse = NO_USE
