"""Client of the user's daemon, for the command line and the tests."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import grpc
from bough_proto.v1 import control_pb2 as pb
from bough_proto.v1 import control_pb2_grpc
from google.protobuf.message import Message

from bough_daemon.api import records
from bough_daemon.api.progress import DaemonWait, Progress, Question
from bough_daemon.api.wire import error_of, from_choice, from_message, to_message
from bough_daemon.errors import NotText
from bough_daemon.home import Home
from bough_daemon.system.at_work import PATIENCE
from bough_daemon.system.environment import NOTHING
from bough_daemon.system.plain_record import PlainRecord

R = TypeVar("R", bound=PlainRecord)
FS = ("utf-8", "surrogateescape")
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.default_authority", "localhost")]


class CallerTerminal(Protocol):
    """The terminal that a command was typed in, as far as the command uses it."""

    def tell(self, progress: Progress) -> None:
        """Tell the user something."""

    def ask(self, question: Question) -> bool:
        """Return whether the user agrees."""

    def run(
        self, arguments: list[str], directory: str, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, str]:
        """Run a program for the user; return its exit code, output and errors."""


class Client:
    """One connection to the daemon of a home. Every method raises what the daemon raised, or DaemonNotRunning.

    The constructor raises HomeUnusable if another user may have created the socket. `environment`: sent along with
    commands, for the working trees that they are about. `tell`: tells the user what a call waits for, if it takes
    longer than a second.
    """

    def __init__(
        self, home: Home, environment: Mapping[str, str] = NOTHING, tell: Callable[[Progress], None] | None = None
    ) -> None:
        home.check_socket_folder()
        self._tell = tell
        self._environment = {name: value.encode(*FS) for name, value in environment.items()}
        self._channel = grpc.insecure_channel(f"unix:{home.socket}", options=OPTIONS)
        self._stub = control_pb2_grpc.ControlServiceStub(self._channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def up(self, path: str, name: str) -> records.Up:
        """Make a working tree live."""
        request = pb.UpRequest(path=path.encode(*FS), name=name, environment=self._environment)
        return self._call(self._stub.Up, request, records.Up)

    def down(self, path: str, forget: bool) -> None:
        """Stop recording a working tree."""
        self._ask(self._stub.Down, pb.DownRequest(path=path.encode(*FS), forget=forget))

    def shutdown(self) -> None:
        """End the daemon."""
        self._ask(self._stub.Shutdown, pb.ShutdownRequest())

    def status(self, path: str) -> records.Status:
        """Return the status."""
        request = pb.StatusRequest(path=path.encode(*FS), environment=self._environment)
        return self._call(self._stub.Status, request, records.Status)

    def save(self, path: str, wait_for: list[str], wait_for_all: bool, patience: float) -> records.Saved:
        """Take an exact snapshot; wait at most `patience` seconds until the named teammates hold it."""
        request = pb.SaveRequest(
            path=path.encode(*FS),
            wait_for=wait_for,
            wait_for_all=wait_for_all,
            patience_seconds=patience,
            environment=self._environment,
        )
        return self._call(self._stub.Save, request, records.Saved)

    def log(self, path: str, branch: str, limit: int) -> records.Log:
        """List snapshots, newest first."""
        return self._call(self._stub.Log, pb.LogRequest(path=path.encode(*FS), branch=branch, limit=limit), records.Log)

    def watch(self, path: str) -> Iterator[records.Event]:
        """Yield events as they happen, until the caller stops."""
        try:
            for message in self._stub.Watch(pb.WatchRequest(path=path.encode(*FS))):
                yield from_message(message, records.Event)
        except grpc.RpcError as failure:
            raise error_of(failure) from None  # type: ignore[arg-type]

    def invite(
        self, path: str, listen: str, expires: float = 0.0, uses: int = 1, advertise: Sequence[str] = ()
    ) -> records.Invited:
        """Create a ticket that is valid for `expires` seconds; 0: a day."""
        request = pb.InviteRequest(path=path.encode(*FS), listen=listen, expires_seconds=expires, uses=uses)
        request.advertise.extend(advertise)
        return self._call(self._stub.Invite, request, records.Invited)

    def tickets(self, path: str) -> records.TicketList:
        """List the tickets."""
        return self._call(self._stub.ListTickets, pb.ListTicketsRequest(path=path.encode(*FS)), records.TicketList)

    def revoke(self, path: str, id: str) -> records.TicketList:
        """Revoke a ticket."""
        request = pb.RevokeTicketRequest(path=path.encode(*FS), id=id)
        return self._call(self._stub.RevokeTicket, request, records.TicketList)

    def join(
        self, path: str, ticket: str, name: str, listen: str = "", advertise: Sequence[str] = ()
    ) -> records.Joined:
        """Join a team."""
        request = pb.JoinTeamRequest(
            path=path.encode(*FS), ticket=ticket, name=name, environment=self._environment, listen=listen
        )
        request.advertise.extend(advertise)
        return self._call(self._stub.JoinTeam, request, records.Joined)

    def join_as_hub(
        self, ticket: str, name: str, listen: str = "", advertise: Sequence[str] = ()
    ) -> records.JoinedAsHub:
        """Join a team as a hub."""
        request = pb.JoinAsHubRequest(ticket=ticket, name=name, listen=listen, advertise=advertise)
        return self._call(self._stub.JoinAsHub, request, records.JoinedAsHub)

    def leave_as_hub(self, team: str) -> records.LeftAsHub:
        """Leave a team as a hub and delete the data kept for it."""
        return self._call(self._stub.LeaveAsHub, pb.LeaveAsHubRequest(team=team), records.LeftAsHub)

    def hub(self) -> records.HubStatus:
        """Return what is kept as a hub."""
        return self._call(self._stub.ListHub, pb.ListHubRequest(), records.HubStatus)

    def team(self, path: str, fingerprint: str = "") -> records.TeamRecord:
        """List the team; `fingerprint`: only the member with that key."""
        request = pb.ListTeamRequest(path=path.encode(*FS), fingerprint=fingerprint)
        return self._call(self._stub.ListTeam, request, records.TeamRecord)

    def remove(self, path: str, name: str, *, with_invited: bool, restore: bool) -> records.RemovedMembers:
        """Remove a member from the team."""
        request = pb.RemoveMemberRequest(path=path.encode(*FS), name=name, with_invited=with_invited, restore=restore)
        return self._call(self._stub.RemoveMember, request, records.RemovedMembers)

    def vouch(self, path: str, name: str, lost: str) -> records.Vouched:
        """Vouch that the member `name` is the member `lost`, who lost their key."""
        request = pb.VouchRequest(path=path.encode(*FS), name=name, lost=lost)
        return self._call(self._stub.Vouch, request, records.Vouched)

    def rename(self, path: str, name: str) -> records.Renamed:
        """Change this member's name."""
        request = pb.RenameMemberRequest(path=path.encode(*FS), name=name)
        return self._call(self._stub.RenameMember, request, records.Renamed)

    def leave(self, path: str) -> records.Left:
        """Leave the team."""
        return self._call(self._stub.LeaveTeam, pb.LeaveTeamRequest(path=path.encode(*FS)), records.Left)

    def stay(self, path: str, name: str, *, stop: bool = False, solid: bool = False) -> records.Stayed:
        """Keep a branch folded into the files, or list such branches (an empty name)."""
        request = pb.StayRequest(path=path.encode(*FS), name=_text(name, "name").encode(), stop=stop, solid=solid)
        return self._call(self._stub.Stay, request, records.Stayed)

    def guests(self, path: str, name: str = "", rule: str = "") -> records.Guests:
        """Decide whether a guest's edits come into the files, or list the guests (an empty name)."""
        request = pb.GuestsRequest(path=path.encode(*FS), name=_text(name, "name").encode(), rule=rule)
        return self._call(self._stub.Guests, request, records.Guests)

    def pause_sharing(self, path: str, *, stop: bool = False) -> records.SharingState:
        """Stop sharing with the team or, with `stop`, resume it."""
        request = pb.PauseSharingRequest(path=path.encode(*FS), stop=stop)
        return self._call(self._stub.PauseSharing, request, records.SharingState)

    def purge(self, order: records.PurgeOrder) -> records.PurgeTold:
        """Remove contents from every snapshot, or report what would be removed."""
        return self._call(self._stub.Purge, to_message(order, pb.PurgeRequest), records.PurgeTold)

    def purges(self, path: str) -> records.PurgeList:
        """List what was purged, and the purges that teammates ask for."""
        return self._call(self._stub.ListPurges, pb.ListPurgesRequest(path=path.encode(*FS)), records.PurgeList)

    def comment(self, order: records.CommentOrder) -> records.CommentAdded:
        """Comment on lines of a file."""
        _text(order.text, "text")
        _text(order.on, "name")
        return self._call(self._stub.AddComment, to_message(order, pb.AddCommentRequest), records.CommentAdded)

    def comments(self, query: records.CommentQuery) -> records.CommentList:
        """List comments, and where their code is now."""
        _text(query.on, "name")
        return self._call(self._stub.ListComments, to_message(query, pb.ListCommentsRequest), records.CommentList)

    def answer_comment(self, order: records.CommentAnswer) -> records.CommentAnswered:
        """Reply to a comment, close it, or react to it."""
        for text in (order.id, order.reply, order.mark):
            _text(text, "text")
        return self._call(self._stub.AnswerComment, to_message(order, pb.AnswerCommentRequest), records.CommentAnswered)

    def mark_solid(self, path: str, text: str) -> records.MarkedSolid:
        """Mark the newest snapshot as fit to be taken."""
        request = pb.MarkSolidRequest(path=path.encode(*FS), text=_text(text, "message"), environment=self._environment)
        return self._call(self._stub.MarkSolid, request, records.MarkedSolid)

    def complete(self, path: str, file: str, line: int, column: int, text: bytes) -> records.Continuations:
        """Continue code at a one-based line and column."""
        request = pb.CompleteFileRequest(
            path=path.encode(*FS), file=file.encode(*FS), line=line, column=column, text=text
        )
        return self._call(self._stub.CompleteFile, request, records.Continuations)

    def doors(self) -> records.Doors:
        """Return how completion is reached, starting its process."""
        stream = self._stub.WatchDoors(pb.WatchDoorsRequest())
        try:
            return from_message(next(iter(stream)), records.Doors)
        except grpc.RpcError as failure:
            raise error_of(failure) from None  # type: ignore[arg-type]
        finally:
            stream.cancel()

    def place(self, file: str) -> records.FileRecord:
        """Return which repository a file belongs to, and its path there."""
        return self._call(self._stub.PlaceFile, pb.PlaceFileRequest(file=file.encode(*FS)), records.FileRecord)

    def uses(self) -> list[records.UseRecord]:
        """Return what became of the suggestions."""
        answer = self._ask(self._stub.GetUse, pb.GetUseRequest())
        return [from_message(use, records.UseRecord) for use in answer.uses]  # type: ignore[attr-defined]

    def reload_settings(self) -> list[str]:
        """Apply the settings; return the notices for the user."""
        answer = self._ask(self._stub.ReloadSettings, pb.ReloadSettingsRequest())
        return list(answer.notes)  # type: ignore[attr-defined]

    # The commands that change the user's files. `path`: the folder that they are typed in; `hands`: its terminal.

    def hop(
        self, path: str, hands: CallerTerminal, name: str, *, follow: bool = False, solid: bool = False, at: str = ""
    ) -> records.MoveOutcome:
        """Switch to a teammate's branch."""
        begin = pb.HopRequest.Begin(name=_text(name, "name"), follow=follow, solid=solid, at=_text(at, "moment"))
        return self._carry_out(self._stub.Hop, pb.HopRequest, begin, path, hands, records.MoveOutcome)

    def back(self, path: str, hands: CallerTerminal) -> records.MoveOutcome:
        """Return from a hop."""
        begin = pb.BackRequest.Begin()
        return self._carry_out(self._stub.Back, pb.BackRequest, begin, path, hands, records.MoveOutcome)

    def off(self, path: str, hands: CallerTerminal, branch: str) -> records.MoveOutcome:
        """Create a Git branch from the current state."""
        begin = pb.OffRequest.Begin(branch=_text(branch, "branch").encode())
        return self._carry_out(self._stub.Off, pb.OffRequest, begin, path, hands, records.MoveOutcome)

    def merge(
        self, path: str, hands: CallerTerminal, name: str, *, preview: bool = False, yes: bool = False
    ) -> records.MergeOutcome:
        """Merge a branch into the files."""
        begin = pb.MergeRequest.Begin(name=_text(name, "name").encode(), preview=preview, yes=yes)
        return self._carry_out(self._stub.Merge, pb.MergeRequest, begin, path, hands, records.MergeOutcome)

    def land(
        self,
        path: str,
        hands: CallerTerminal,
        message: str,
        *,
        verify: bool = True,
        yes: bool = False,
        needed: bool = True,
    ) -> records.LandOutcome:
        """Land work on the shared branch. `needed`: raise if there is nothing to land."""
        text = _text(message, "message")
        begin = pb.LandRequest.Begin(message=text, no_verify=not verify, yes=yes, needed=needed)
        return self._carry_out(self._stub.Land, pb.LandRequest, begin, path, hands, records.LandOutcome)

    def preview_landing(self, path: str, hands: CallerTerminal) -> records.LandingPreview:
        """Return what would land."""
        begin = pb.PreviewLandingRequest.Begin()
        method, request = self._stub.PreviewLanding, pb.PreviewLandingRequest
        return self._carry_out(method, request, begin, path, hands, records.LandingPreview)

    def switch_to_landed(self, path: str, hands: CallerTerminal, landed: records.LandOutcome) -> None:
        """Switch to the shared branch after a landing."""
        begin = pb.SwitchToLandedRequest.Begin(
            commit=landed.commit,
            branch=landed.branch.encode(*FS),
            local=landed.local.encode(*FS),
            remote=landed.remote,
        )
        method, request = self._stub.SwitchToLanded, pb.SwitchToLandedRequest
        self._carry_out(method, request, begin, path, hands, records.Ended)

    def restore(
        self,
        path: str,
        hands: CallerTerminal,
        paths: list[str],
        *,
        since: str = "",
        name: str = "",
        everything: bool = False,
    ) -> records.RestoreOutcome:
        """Restore files from the timeline."""
        named = [each.encode(*FS) for each in paths]
        begin = pb.RestoreRequest.Begin(
            paths=named, since=_text(since, "snapshot"), name=_text(name, "name"), all=everything
        )
        return self._carry_out(self._stub.Restore, pb.RestoreRequest, begin, path, hands, records.RestoreOutcome)

    def apply_suggestion(self, path: str, hands: CallerTerminal, id: str) -> records.AppliedSuggestion:
        """Apply the suggestion of a comment to the files."""
        begin = pb.ApplySuggestionRequest.Begin(id=_text(id, "id"))
        method, request = self._stub.ApplySuggestion, pb.ApplySuggestionRequest
        return self._carry_out(method, request, begin, path, hands, records.AppliedSuggestion)

    def undo(self, path: str, hands: CallerTerminal) -> records.UndoOutcome:
        """Undo the newest command."""
        begin = pb.UndoRequest.Begin()
        return self._carry_out(self._stub.Undo, pb.UndoRequest, begin, path, hands, records.UndoOutcome)

    def redo(self, path: str, hands: CallerTerminal) -> records.UndoOutcome:
        """Redo the newest command that was undone."""
        begin = pb.RedoRequest.Begin()
        return self._carry_out(self._stub.Redo, pb.RedoRequest, begin, path, hands, records.UndoOutcome)

    def make_agent(self, path: str, hands: CallerTerminal, name: str) -> records.AgentMade:
        """Create a working tree for an agent, or find its existing one."""
        begin = pb.MakeAgentRequest.Begin(name=_text(name, "name"))
        return self._carry_out(self._stub.MakeAgent, pb.MakeAgentRequest, begin, path, hands, records.AgentMade)

    def make_hop_worktree(self, path: str, hands: CallerTerminal, name: str) -> records.AgentMade:
        """Create the working tree for hops, or find the existing one; `name`: the branch that is hopped to there."""
        begin = pb.MakeAgentRequest.Begin(hop_to=_text(name, "name"))
        return self._carry_out(self._stub.MakeAgent, pb.MakeAgentRequest, begin, path, hands, records.AgentMade)

    def remove_agent(self, path: str, hands: CallerTerminal, name: str) -> records.AgentRemoved:
        """Remove the working tree of an agent."""
        begin = pb.RemoveAgentRequest.Begin(name=_text(name, "name"))
        return self._carry_out(self._stub.RemoveAgent, pb.RemoveAgentRequest, begin, path, hands, records.AgentRemoved)

    def note_agent(self, path: str, name: str, command: str, process: int, code: int | None = None) -> None:
        """Record that the command of an agent was started, or has ended with `code`."""
        where, typed = path.encode(*FS), command.encode(*FS)
        self._ask(
            self._stub.NoteAgent, pb.NoteAgentRequest(path=where, name=name, command=typed, process=process, code=code)
        )

    def hide(self, path: str, hands: CallerTerminal, paths: list[str], *, stop: bool = False) -> records.AllowOutcome:
        """Hide paths from the team, or list the hidden ones."""
        begin = pb.AllowRequest.Begin(paths=[each.encode(*FS) for each in paths], stop=stop, hide=True)
        return self._carry_out(self._stub.Allow, pb.AllowRequest, begin, path, hands, records.AllowOutcome)

    def allow(self, path: str, hands: CallerTerminal, paths: list[str], *, stop: bool = False) -> records.AllowOutcome:
        """Allow withheld paths to be shared, or withhold them again."""
        begin = pb.AllowRequest.Begin(paths=[each.encode(*FS) for each in paths], stop=stop)
        return self._carry_out(self._stub.Allow, pb.AllowRequest, begin, path, hands, records.AllowOutcome)

    def _carry_out(self, method: Any, request: Any, begin: Any, path: str, hands: CallerTerminal, kind: type[R]) -> R:
        """Run a command, lending it the caller's terminal."""
        begin.caller.path, begin.caller.process = path.encode(*FS), os.getpid()
        begin.caller.environment.update(self._environment)
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        requests.put(request(begin=begin))
        try:
            for response in method(iter(requests.get, None)):
                if response.WhichOneof("kind") == "done":
                    return from_message(response.done, kind)
                answer = _answer(hands, response.terminal)
                if answer is not None:
                    requests.put(request(answer=answer))
        except grpc.RpcError as failure:
            raise error_of(failure) from None  # type: ignore[arg-type]
        finally:
            requests.put(None)
        raise AssertionError("the daemon closed the connection before the command was done")

    def _call(self, method: Callable[..., Message], request: Message, kind: type[R]) -> R:
        return from_message(self._ask(method, request), kind)

    def _ask(self, method: Any, request: Message) -> Message:
        try:
            call: grpc.Future[Message] = method.future(request)
            try:
                return call.result(PATIENCE if self._tell else None)
            except grpc.FutureTimeoutError:
                self._tell_what_is_waited_for(request)
            return call.result()
        except grpc.RpcError as failure:
            raise error_of(failure) from failure.__cause__  # type: ignore[arg-type]

    def _tell_what_is_waited_for(self, request: Message) -> None:
        wait: Progress = DaemonWait()
        with suppress(grpc.RpcError):
            asked = pb.TellWorkRequest(path=getattr(request, "path", b""))
            told = self._stub.TellWork(asked, timeout=PATIENCE)
            if told.HasField("wait"):
                wait = from_choice(told.wait, Progress)
        if self._tell is not None:
            self._tell(wait)


def _text(value: str, what: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NotText(f"the {what} is not UTF-8 text")
    return value


def _answer(hands: CallerTerminal, asked: pb.TerminalRequest) -> pb.TerminalAnswer | None:
    """Carry out a request of a command to its terminal; return the answer, or None if it needs none."""
    kind = asked.WhichOneof("kind")
    if kind == "progress":
        hands.tell(from_choice(asked.progress, Progress))
        return None
    if kind == "question":
        return pb.TerminalAnswer(agreed=hands.ask(from_choice(asked.question, Question)))
    run = asked.run
    arguments = [argument.decode(*FS) for argument in run.arguments]
    code, output, errors = hands.run(arguments, run.directory.decode(*FS), dict(run.environment), run.stdin)
    return pb.TerminalAnswer(finished=pb.TerminalAnswer.Finished(code=code, output=output, errors=errors))
