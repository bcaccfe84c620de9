"""Convert messages to dataclasses and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bough_proto.v1 import completion_pb2 as pb

from bough_completion.metrics import Suggested
from bough_completion.query import MAX_TOKENS, SAVED, BlobKind, ModelUse, Origin, Query, Stats, Suggestion

_KINDS = {
    pb.BLOB_KIND_TREE: BlobKind.TREE,
    pb.BLOB_KIND_BUFFER: BlobKind.BUFFER,
    pb.BLOB_KIND_COMMIT: BlobKind.COMMIT,
    pb.BLOB_KIND_LIVE: BlobKind.LIVE,
}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}


# Seconds that a question may wait, whatever it asks for.
LONGEST_PATIENCE = 60.0


class BadRequest(Exception):
    """A message is malformed; nothing was done."""


@dataclass(frozen=True)
class Blob:
    """A text to learn, or to forget if `text` is None."""

    path: str
    text: str | None
    origin: Origin = SAVED


@dataclass(frozen=True)
class Question:
    """A query, and who asks it about which repository; `is_ahead` if nobody asked it yet."""

    repository: str
    editor: str
    query: Query
    is_ahead: bool = False


def blobs_from(message: pb.FeedRequest) -> list[Blob]:
    """Read a batch of blobs."""
    return [_blob_from(blob) for blob in message.blobs]


def feed_request(repository: str, blobs: Iterable[Blob]) -> pb.FeedRequest:
    """Write a batch of blobs."""
    return pb.FeedRequest(
        repository=repository,
        blobs=[
            pb.Blob(path=blob.path, kind=_NUMBERS[blob.origin.kind], member=blob.origin.member, text=blob.text)
            for blob in blobs
        ],
    )


def question_from(message: pb.CompleteRequest, patience: float) -> Question:
    """Read a question; `patience`, in seconds, is the default for one that names none."""
    query = Query(
        path=message.path,
        prefix=message.prefix,
        suffix=message.suffix,
        max_lines=max(1, message.max_lines),
        limit=max(1, message.limit),
        patience=min(message.patience_ms / 1000 or patience, LONGEST_PATIENCE),
        max_tokens=message.max_tokens or MAX_TOKENS,
    )
    return Question(message.repository, message.editor, query)


def complete_request(question: Question) -> pb.CompleteRequest:
    """Write a question."""
    query = question.query
    return pb.CompleteRequest(
        repository=question.repository,
        path=query.path,
        prefix=query.prefix,
        suffix=query.suffix,
        max_lines=query.max_lines,
        limit=query.limit,
        patience_ms=max(1, round(query.patience * 1000)),
        editor=question.editor,
        max_tokens=query.max_tokens,
    )


def suggestions_from(message: pb.CompleteResponse) -> list[Suggestion]:
    """Read an answer."""
    return [
        Suggestion(found.text, found.confidence, found.source, found.engine, found.shown)
        for found in message.suggestions
    ]


def complete_response(suggestions: Sequence[Suggestion]) -> pb.CompleteResponse:
    """Write an answer."""
    return pb.CompleteResponse(
        suggestions=[
            pb.Suggestion(
                text=found.text,
                confidence=found.confidence,
                source=found.source,
                engine=found.engine,
                shown=found.shown,
            )
            for found in suggestions
        ]
    )


def stats_from(message: pb.GetStatsResponse) -> Stats:
    """Read the statistics."""
    return Stats(
        message.blobs,
        message.tokens,
        message.words,
        dict(message.kinds),
        message.shown,
        message.accepted,
        message.accepted_characters,
        message.engine,
        tuple(message.notes),
        ModelUse(message.model.answers, message.model.tokens, message.model.prompt_tokens, message.model.reused_tokens),
    )


def stats_response(stats: Stats) -> pb.GetStatsResponse:
    """Write the statistics."""
    return pb.GetStatsResponse(
        blobs=stats.blobs,
        tokens=stats.tokens,
        words=stats.words,
        kinds=stats.kinds,
        shown=stats.shown,
        accepted=stats.accepted,
        accepted_characters=stats.accepted_characters,
        engine=stats.engine,
        notes=stats.notes,
        model=pb.ModelUse(
            answers=stats.model.answers,
            tokens=stats.model.tokens,
            prompt_tokens=stats.model.prompt_tokens,
            reused_tokens=stats.model.reused_tokens,
        ),
    )


def use_from(message: pb.WatchUseResponse) -> tuple[str, Suggested]:
    """Read a repository and what became of a suggestion in it."""
    return message.repository, Suggested(message.path, message.before, message.text, message.accepted)


def use_response(repository: str, use: Suggested) -> pb.WatchUseResponse:
    """Write what became of a suggestion."""
    return pb.WatchUseResponse(
        repository=repository, path=use.path, before=use.before, text=use.text, accepted=use.accepted
    )


def _blob_from(message: pb.Blob) -> Blob:
    kind = _KINDS.get(message.kind)
    if kind is None:
        raise BadRequest(f"blob {message.path!r} does not state its kind")
    if (kind is BlobKind.LIVE) != bool(message.member):
        raise BadRequest(f"blob {message.path!r} must name a member if it is of a live branch, and only then")
    return Blob(message.path, message.text if message.HasField("text") else None, Origin(kind, message.member))
