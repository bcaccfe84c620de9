"""bough reply, bough close and bough react"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import CommentAnswer

from bough_cli import output
from bough_cli.commands.talk.comment import TEXT_HELP, written
from bough_cli.connection import connect, here

Id = Annotated[str, typer.Argument(metavar="ID", help="The beginning of a comment's id, as `bough comments` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Text = Annotated[list[str] | None, typer.Argument(metavar="[TEXT]", help=TEXT_HELP)]


def reply(id: Id, text: Text = None, json: Json = False) -> None:
    """Reply to a comment."""
    answer = CommentAnswer(here(), id, reply=written(text, id))
    _answer(answer, "Replied to {by} as {id}", json=json)


def close(
    id: Id, reopen: Annotated[bool, typer.Option("--reopen", help="Open it again.")] = False, json: Json = False
) -> None:
    """Close a comment: nothing more is to be done about it."""
    said = "Opened {by}'s comment {id} again" if reopen else "Closed {by}'s comment {id}"
    _answer(CommentAnswer(here(), id, close=not reopen, reopen=reopen), said, json=json)


def react(
    id: Id, mark: Annotated[str, typer.Argument(metavar="EMOJI", help="An emoji, or a word.")], json: Json = False
) -> None:
    """React to a comment or a reply."""
    _answer(CommentAnswer(here(), id, mark=mark), "Reacted to {by}'s comment {id}", json=json)


def _answer(answer: CommentAnswer, said: str, *, json: bool) -> None:
    with connect() as daemon:
        made = daemon.answer_comment(answer)
    if json:
        output.as_json(made)
    else:
        output.data(said.format(by=made.by, id=made.id))
