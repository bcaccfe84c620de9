"""The control service: answers the requests of the command line and of editors."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import grpc
from bough_proto.v1 import control_pb2 as pb
from bough_proto.v1 import control_pb2_grpc

from bough_daemon.api import records
from bough_daemon.api.progress import DaemonWait
from bough_daemon.api.wire import fill, from_message, status_of, to_message
from bough_daemon.commands.command_set import CommandSet
from bough_daemon.control.daemon import Daemon
from bough_daemon.control.remote_terminal import RemoteTerminal
from bough_daemon.control.repository import Where
from bough_daemon.errors import BoughError, DaemonFailed
from bough_daemon.faults import fault_of
from bough_daemon.history.journal import HopKind
from bough_daemon.system.at_work import Work, speaking_up
from bough_daemon.system.environment import taken
from bough_daemon.system.plain_record import PlainRecord
from bough_daemon.system.threads import to_the_end

log = logging.getLogger(__name__)

COMMAND_PATIENCE = 3.0  # seconds for commands that change files to finish when the daemon ends

TYPED_AS = {
    "PreviewLanding": "land",
    "SwitchToLanded": "land",
    "MakeAgent": "agent",
    "RemoveAgent": "agent",
    "ApplySuggestion": "comments apply",
}

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]
Command = Callable[[CommandSet, Any], Awaitable[PlainRecord]]


def answers(method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """Send a method's BoughError over the socket; log any other failure first."""

    @functools.wraps(method)
    async def answered(self: ControlService, request: Any, context: Context) -> T:
        try:
            return await method(self, request, context)
        except BoughError as error:
            await abort(context, error)
        except (grpc.RpcError, grpc.aio.AbortError):
            raise
        except Exception as failure:
            await abort(context, _named(failure, method.__name__))
        raise AssertionError("abort returned")

    return answered


def _named(failure: Exception, command: str) -> BoughError:
    """Return the error for a failure; a bug is logged."""
    named = fault_of(failure)
    if isinstance(named, DaemonFailed):
        log.error("%s failed", command, exc_info=failure)
    return named


def _environment(sent: Mapping[str, bytes]) -> dict[str, str]:
    """Return the environment of a command's terminal."""
    return taken({name: os.fsdecode(value) for name, value in sent.items()})


def _in_words(begin: Any) -> str:
    """Return a command as it was typed, to name it in other terminals that wait for it."""
    command = type(begin).DESCRIPTOR.containing_type.name.removesuffix("Request")
    words = TYPED_AS.get(command, command.lower())
    name = getattr(begin, "name", "")
    return f"{words} {os.fsdecode(name) if isinstance(name, bytes) else name}".strip()


async def abort(context: Context, error: BoughError) -> None:
    """End a call with a BoughError."""
    code, words, metadata = status_of(error)
    await context.abort(code, words, metadata)


def in_terminal(answer: Callable[..., Any], *, merges: bool = False) -> Callable[[Command], Any]:
    """Turn a command that changes files into an RPC method. `merges`: it needs the merge engine."""

    def method_of(command: Command) -> Any:
        async def method(self: ControlService, request_iterator: Any, context: Context) -> AsyncIterator[Any]:
            async for response in self._carry_out(request_iterator, context, answer, command, merges):
                yield response

        method.__name__, method.__doc__ = command.__name__, command.__doc__
        return method

    return method_of


class ControlService(control_pb2_grpc.ControlServiceServicer):
    """The service that the daemon offers its own user."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._working: set[asyncio.Task[PlainRecord]] = set()

    async def close(self) -> None:
        """Let commands that change files finish; cancel those that take long."""
        if self._working:
            await asyncio.wait(self._working, timeout=COMMAND_PATIENCE)
        while self._working:
            for command in self._working:
                command.cancel()
            await asyncio.wait(self._working, timeout=COMMAND_PATIENCE)

    @answers
    async def Up(self, request: pb.UpRequest, context: Context) -> pb.UpResponse:
        """Make a working tree live."""
        environment = _environment(request.environment)
        made = await self._daemon.up_as(os.fsdecode(request.path), request.name, environment)
        return to_message(made, pb.UpResponse)

    @answers
    async def Down(self, request: pb.DownRequest, context: Context) -> pb.DownResponse:
        """Stop recording a working tree."""
        await self._daemon.down(os.fsdecode(request.path), request.forget)
        return pb.DownResponse()

    @answers
    async def Shutdown(self, request: pb.ShutdownRequest, context: Context) -> pb.ShutdownResponse:
        """End the daemon."""
        self._daemon.stopping.set()
        return pb.ShutdownResponse()

    @answers
    async def Status(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:
        """Return the status."""
        told = await self._daemon.status(os.fsdecode(request.path), _environment(request.environment))
        return to_message(told, pb.StatusResponse)

    @answers
    async def Save(self, request: pb.SaveRequest, context: Context) -> pb.SaveResponse:
        """Take an exact snapshot."""
        environment = _environment(request.environment)
        repository, session = await self._daemon.session(os.fsdecode(request.path), environment)
        names = None if request.wait_for_all else list(request.wait_for)
        saved = await repository.save(session, names, request.patience_seconds)
        return to_message(saved, pb.SaveResponse)

    @answers
    async def Log(self, request: pb.LogRequest, context: Context) -> pb.LogResponse:
        """List snapshots."""
        repository, session = await self._daemon.session(os.fsdecode(request.path))
        return to_message(await repository.log(session, request.branch, request.limit), pb.LogResponse)

    @answers
    async def Invite(self, request: pb.InviteRequest, context: Context) -> pb.InviteResponse:
        """Create a ticket."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        where = Where(request.listen, ",".join(request.advertise) if request.advertise else None)
        invited = await repository.invite(where, request.expires_seconds, request.uses or 1)
        return to_message(invited, pb.InviteResponse)

    @answers
    async def ListTickets(self, request: pb.ListTicketsRequest, context: Context) -> pb.ListTicketsResponse:
        """List the tickets."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        return to_message(records.TicketList(repository.sync.tickets()), pb.ListTicketsResponse)

    @answers
    async def RevokeTicket(self, request: pb.RevokeTicketRequest, context: Context) -> pb.RevokeTicketResponse:
        """Revoke a ticket."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        repository.sync.revoke(request.id)
        return to_message(records.TicketList(repository.sync.tickets()), pb.RevokeTicketResponse)

    @answers
    async def JoinTeam(self, request: pb.JoinTeamRequest, context: Context) -> pb.JoinTeamResponse:
        """Join a team."""
        where = Where(request.listen, ",".join(request.advertise) if request.advertise else None)
        joined = await self._daemon.join(
            os.fsdecode(request.path), request.ticket, request.name, _environment(request.environment), where
        )
        return to_message(joined, pb.JoinTeamResponse)

    @answers
    async def JoinAsHub(self, request: pb.JoinAsHubRequest, context: Context) -> pb.JoinAsHubResponse:
        """Join a team as a hub."""
        where = Where(request.listen, ",".join(request.advertise) if request.advertise else None)
        return to_message(await self._daemon.hub.join(request.ticket, request.name, where), pb.JoinAsHubResponse)

    @answers
    async def LeaveAsHub(self, request: pb.LeaveAsHubRequest, context: Context) -> pb.LeaveAsHubResponse:
        """Leave a team as a hub."""
        return to_message(await self._daemon.hub.leave(request.team), pb.LeaveAsHubResponse)

    @answers
    async def ListHub(self, request: pb.ListHubRequest, context: Context) -> pb.ListHubResponse:
        """Return what is kept as a hub."""
        return to_message(await self._daemon.hub.status(), pb.ListHubResponse)

    @answers
    async def ListTeam(self, request: pb.ListTeamRequest, context: Context) -> pb.ListTeamResponse:
        """List the team."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        sync, wanted = repository.sync, request.fingerprint
        return to_message(records.TeamRecord(sync.verified(wanted) if wanted else sync.everyone()), pb.ListTeamResponse)

    @answers
    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Context) -> pb.RemoveMemberResponse:
        """Remove a member."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        copies = repository.sync.copies_of_each()
        removed = repository.sync.remove(request.name, with_invited=request.with_invited, restore=request.restore)
        held = sorted({branch for name in removed for branch in copies.get(name, ())})
        return to_message(records.RemovedMembers(removed, held), pb.RemoveMemberResponse)

    @answers
    async def Vouch(self, request: pb.VouchRequest, context: Context) -> pb.VouchResponse:
        """Vouch for a member's new key."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        by = repository.sync.vouch(request.name, request.lost)
        vouched = records.Vouched(request.name, request.lost, by, request.name not in repository.sync.roster.members)
        return to_message(vouched, pb.VouchResponse)

    @answers
    async def RenameMember(self, request: pb.RenameMemberRequest, context: Context) -> pb.RenameMemberResponse:
        """Change this member's name."""
        renamed = await self._daemon.rename(os.fsdecode(request.path), request.name)
        return to_message(renamed, pb.RenameMemberResponse)

    @answers
    async def LeaveTeam(self, request: pb.LeaveTeamRequest, context: Context) -> pb.LeaveTeamResponse:
        """Leave the team."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        told = await repository.sync.leave()
        return to_message(records.Left(told, repository.sync.copies()), pb.LeaveTeamResponse)

    @answers
    async def Purge(self, request: pb.PurgeRequest, context: Context) -> pb.PurgeResponse:
        """Remove contents from every snapshot."""
        order = from_message(request, records.PurgeOrder)
        repository, session = await self._daemon.session(order.path)
        return to_message(await repository.purge(session, order), pb.PurgeResponse)

    @answers
    async def Stay(self, request: pb.StayRequest, context: Context) -> pb.StayResponse:
        """Keep a branch folded into the files, or list such branches."""
        repository, session = await self._daemon.session(os.fsdecode(request.path))
        await repository.together.stay(session, os.fsdecode(request.name), stop=request.stop, solid=request.solid)
        return to_message(records.Stayed(repository.stayed(session)), pb.StayResponse)

    @answers
    async def Guests(self, request: pb.GuestsRequest, context: Context) -> pb.GuestsResponse:
        """Decide whether a guest's edits come into the files, or list the guests."""
        repository, session = await self._daemon.session(os.fsdecode(request.path))
        if request.name:
            await repository.together.decide(session, os.fsdecode(request.name), request.rule)
        return to_message(await repository.together.guests(session), pb.GuestsResponse)

    @answers
    async def PauseSharing(self, request: pb.PauseSharingRequest, context: Context) -> pb.PauseSharingResponse:
        """Stop sharing with the team, or resume it."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        told = await (repository.resume_sharing() if request.stop else repository.pause_sharing())
        return to_message(told, pb.PauseSharingResponse)

    @answers
    async def ListPurges(self, request: pb.ListPurgesRequest, context: Context) -> pb.ListPurgesResponse:
        """List what was purged."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        return to_message(await repository.purges(), pb.ListPurgesResponse)

    @answers
    async def AddComment(self, request: pb.AddCommentRequest, context: Context) -> pb.AddCommentResponse:
        """Comment on lines of a file."""
        order = from_message(request, records.CommentOrder)
        repository, session = await self._daemon.session(order.path)
        made = await repository.talker.comment(repository.live(session, order.path), order)
        return to_message(made, pb.AddCommentResponse)

    @answers
    async def ListComments(self, request: pb.ListCommentsRequest, context: Context) -> pb.ListCommentsResponse:
        """List comments, and where their code is now."""
        query = from_message(request, records.CommentQuery)
        repository, session = await self._daemon.session(query.path)
        told = await repository.talker.comments(repository.live(session, query.path), query)
        return to_message(told, pb.ListCommentsResponse)

    @answers
    async def AnswerComment(self, request: pb.AnswerCommentRequest, context: Context) -> pb.AnswerCommentResponse:
        """Reply to a comment, close it, or react to it."""
        order = from_message(request, records.CommentAnswer)
        repository, _ = await self._daemon.session(order.path)
        return to_message(repository.talker.answer(order), pb.AnswerCommentResponse)

    @answers
    async def MarkSolid(self, request: pb.MarkSolidRequest, context: Context) -> pb.MarkSolidResponse:
        """Mark the newest snapshot as fit to be taken."""
        path = os.fsdecode(request.path)
        repository, session = await self._daemon.session(path, _environment(request.environment))
        made = await repository.talker.mark_solid(repository.live(session, path), request.text)
        return to_message(made, pb.MarkSolidResponse)

    @in_terminal(pb.ApplySuggestionResponse)
    def ApplySuggestion(
        commands: CommandSet, begin: pb.ApplySuggestionRequest.Begin
    ) -> Awaitable[records.AppliedSuggestion]:
        """Apply the suggestion of a comment to the files."""
        return commands.apply_suggestion(begin.id)

    @in_terminal(pb.HopResponse)
    def Hop(commands: CommandSet, begin: pb.HopRequest.Begin) -> Awaitable[records.MoveOutcome]:
        """Switch to a teammate's branch."""
        following: HopKind = "solid" if begin.solid else "follow"
        kind: HopKind = following if begin.follow else "still" if begin.at else "together"
        return commands.hop(begin.name, kind, begin.at)

    @in_terminal(pb.BackResponse)
    def Back(commands: CommandSet, begin: pb.BackRequest.Begin) -> Awaitable[records.MoveOutcome]:
        """Return from a hop."""
        return commands.back()

    @in_terminal(pb.OffResponse)
    def Off(commands: CommandSet, begin: pb.OffRequest.Begin) -> Awaitable[records.MoveOutcome]:
        """Create a Git branch from the current state."""
        return commands.off(os.fsdecode(begin.branch))

    @in_terminal(pb.MergeResponse, merges=True)
    def Merge(commands: CommandSet, begin: pb.MergeRequest.Begin) -> Awaitable[records.MergeOutcome]:
        """Merge a branch into the files."""
        return commands.merge(os.fsdecode(begin.name), preview=begin.preview, yes=begin.yes)

    @in_terminal(pb.LandResponse, merges=True)
    def Land(commands: CommandSet, begin: pb.LandRequest.Begin) -> Awaitable[records.LandOutcome]:
        """Land work on the shared branch."""
        return commands.land(begin.message, verify=not begin.no_verify, yes=begin.yes, needed=begin.needed)

    @in_terminal(pb.PreviewLandingResponse, merges=True)
    def PreviewLanding(
        commands: CommandSet, begin: pb.PreviewLandingRequest.Begin
    ) -> Awaitable[records.LandingPreview]:
        """Return what would land."""
        return commands.preview_landing()

    @in_terminal(pb.SwitchToLandedResponse)
    def SwitchToLanded(commands: CommandSet, begin: pb.SwitchToLandedRequest.Begin) -> Awaitable[records.Ended]:
        """Switch to the shared branch after a landing."""
        remote = begin.remote if begin.HasField("remote") else None
        names = os.fsdecode(begin.branch), os.fsdecode(begin.local)
        return commands.switch_to_landed(begin.commit, *names, remote)

    @in_terminal(pb.RestoreResponse)
    def Restore(commands: CommandSet, begin: pb.RestoreRequest.Begin) -> Awaitable[records.RestoreOutcome]:
        """Restore files from the timeline."""
        paths = list(map(os.fsdecode, begin.paths))
        return commands.restore(paths, since=begin.since, name=begin.name, everything=begin.all)

    @in_terminal(pb.UndoResponse)
    def Undo(commands: CommandSet, begin: pb.UndoRequest.Begin) -> Awaitable[records.UndoOutcome]:
        """Undo the newest command."""
        return commands.undo()

    @in_terminal(pb.RedoResponse)
    def Redo(commands: CommandSet, begin: pb.RedoRequest.Begin) -> Awaitable[records.UndoOutcome]:
        """Redo the newest command that was undone."""
        return commands.redo()

    @in_terminal(pb.MakeAgentResponse)
    def MakeAgent(commands: CommandSet, begin: pb.MakeAgentRequest.Begin) -> Awaitable[records.AgentMade]:
        """Create a working tree for an agent."""
        return commands.make_hop_worktree(begin.hop_to) if begin.hop_to else commands.make_agent(begin.name)

    @in_terminal(pb.RemoveAgentResponse)
    def RemoveAgent(commands: CommandSet, begin: pb.RemoveAgentRequest.Begin) -> Awaitable[records.AgentRemoved]:
        """Remove the working tree of an agent."""
        return commands.remove_agent(begin.name)

    @answers
    async def NoteAgent(self, request: pb.NoteAgentRequest, context: Context) -> pb.NoteAgentResponse:
        """Record that the command of an agent was started, or has ended."""
        repository, _ = await self._daemon.session(os.fsdecode(request.path))
        code = request.code if request.HasField("code") else None
        repository.note_agent(request.name, os.fsdecode(request.command), request.process, code)
        return pb.NoteAgentResponse()

    @in_terminal(pb.AllowResponse)
    def Allow(commands: CommandSet, begin: pb.AllowRequest.Begin) -> Awaitable[records.AllowOutcome]:
        """Allow withheld paths to be shared."""
        change = commands.hide if begin.hide else commands.allow
        return change(list(map(os.fsdecode, begin.paths)), stop=begin.stop)

    async def _carry_out(
        self,
        requests: Any,
        context: Context,
        answer: Callable[..., Any],
        command: Command,
        merges: bool,
    ) -> AsyncIterator[Any]:
        """Run a command that changes files in the caller's terminal. `merges`: it needs the merge engine."""
        stream = aiter(requests)
        begin = (await anext(stream)).begin
        terminal = RemoteTerminal(one.answer async for one in stream)
        work = Work(_in_words(begin), begin.caller.process, lambda: terminal.running, lambda: terminal.asking)
        acting = asyncio.create_task(self._turn(begin, command, terminal, work, merges))
        acting.add_done_callback(lambda _: terminal.requests.put_nowait(None))
        self._working.add(acting)
        acting.add_done_callback(self._working.discard)
        try:
            while (asked := await terminal.requests.get()) is not None:
                yield answer(terminal=asked)
        finally:
            if not work.began:
                acting.cancel()  # the user interrupted it while it waited
        try:
            outcome = acting.result()
        except BoughError as error:
            await abort(context, error)
        except Exception as failure:
            await abort(context, _named(failure, work.command))
        last = answer()
        fill(last.done, outcome)
        yield last

    async def _turn(
        self,
        begin: Any,
        command: Command,
        terminal: RemoteTerminal,
        work: Work,
        merges: bool,
    ) -> PlainRecord:
        """Wait until the working tree is free for a command, and run it."""
        caller: pb.Caller = begin.caller
        path = os.fsdecode(caller.path)

        def tell() -> None:
            if not work.began:
                terminal.tell_now(self._daemon.waits_for(path) or DaemonWait())

        with speaking_up(tell):
            repository, session = await self._daemon.session(path, _environment(caller.environment))
            if merges:
                repository.warm_up()
            async with session.acting(work):
                return await command(repository.commands(session, path, terminal), begin)

    @answers
    async def TellWork(self, request: pb.TellWorkRequest, context: Context) -> pb.TellWorkResponse:
        """Return what a call has to wait for."""
        response, wait = pb.TellWorkResponse(), self._daemon.waits_for(os.fsdecode(request.path))
        if wait is not None:
            fill(response.wait, wait)
        return response

    @answers
    async def CompleteFile(self, request: pb.CompleteFileRequest, context: Context) -> pb.CompleteFileResponse:
        """Continue code at a place in a file."""
        _, session = await self._daemon.session(os.fsdecode(request.path))
        answer = await self._daemon.completing.complete(
            session, os.fsdecode(request.file), request.line, request.column, request.text
        )
        return to_message(answer, pb.CompleteFileResponse)

    async def WatchDoors(self, request: pb.WatchDoorsRequest, context: Context) -> AsyncIterator[pb.WatchDoorsResponse]:
        """Stream how completion is reached, as it changes; the stream ends when the daemon is stopped."""
        async for doors in until(self._daemon.stopping, self._daemon.completing.doors()):
            yield to_message(doors, pb.WatchDoorsResponse)

    @answers
    async def PlaceFile(self, request: pb.PlaceFileRequest, context: Context) -> pb.PlaceFileResponse:
        """Return where a file is."""
        return to_message(await self._daemon.place(os.fsdecode(request.file)), pb.PlaceFileResponse)

    @answers
    async def GetUse(self, request: pb.GetUseRequest, context: Context) -> pb.GetUseResponse:
        """Return what became of suggestions."""
        return pb.GetUseResponse(uses=[to_message(use, pb.Use) for use in self._daemon.completing.uses()])

    @answers
    async def ReloadSettings(self, request: pb.ReloadSettingsRequest, context: Context) -> pb.ReloadSettingsResponse:
        """Apply the settings."""
        return pb.ReloadSettingsResponse(notes=await self._daemon.reload_settings())

    async def Watch(self, request: pb.WatchRequest, context: Context) -> AsyncIterator[pb.WatchResponse]:
        """Stream events as they happen."""
        try:
            repository, session = await self._daemon.session(os.fsdecode(request.path))
        except BoughError as error:
            await abort(context, error)
        with repository.subscribe() as events:
            tip = session.branch.tip
            if tip is not None:
                now = records.Event(tip.time, "live", session.branch.name, tip.oid, tip.tree)
                yield to_message(now, pb.WatchResponse)
            while True:
                yield to_message(await events.get(), pb.WatchResponse)


async def until(stopping: asyncio.Event, items: AsyncGenerator[T]) -> AsyncIterator[T]:
    """Yield items until told to stop."""
    stop = asyncio.ensure_future(stopping.wait())
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(items))
            await asyncio.wait({stop, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            yield coming.result()
    finally:
        waits: list[asyncio.Future[Any]] = [stop] if coming is None else [stop, coming]
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await items.aclose()


@asynccontextmanager
async def serving(daemon: Daemon) -> AsyncIterator[None]:
    """Serve the control socket, for this user alone, until the end of the block."""
    path = daemon.home.socket
    daemon.home.make_socket_folder()
    with suppress(FileNotFoundError):
        os.unlink(path)  # the home is locked, so the process that left it has ended
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    service = ControlService(daemon)
    control_pb2_grpc.add_ControlServiceServicer_to_server(service, server)
    server.add_insecure_port(f"unix:{path}")
    try:
        await to_the_end(server.start())
        os.chmod(path, 0o600)
        yield
    finally:
        await to_the_end(server.stop(grace=1.0))
        await service.close()
