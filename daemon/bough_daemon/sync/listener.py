"""A daemon's listeners: one for teammates, for all repositories, and one for new members.

Teammates use their certificate, over mutual TLS; gRPC accepts anyone whose certificate is signed by a known one, so
each call is checked against the roster again. Joiners have no known certificate; they have a secret.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

import grpc
from bough_proto.v1 import peer_pb2 as pb
from bough_proto.v1 import peer_pb2_grpc as services

from bough_daemon.api.notices import AddressGone, Notice, PortInUse
from bough_daemon.budgets import HANDSHAKE_SECONDS, IDLE_SECONDS, LARGEST_REQUEST_BYTES, MOST_CALLS
from bough_daemon.errors import BoughError, PeerRefused, PortTaken
from bough_daemon.home import Home
from bough_daemon.sync import wire
from bough_daemon.sync.discovery import Seeker
from bough_daemon.sync.messages import OTHER_VERSION, VERSION, Hello, Message
from bough_daemon.system.addresses import (
    EVERYWHERE,
    LOOPBACK,
    MOST_ADVERTISED,
    is_here,
    is_loopback,
    is_numeric,
    join_address,
    next_port,
    parse_advertised,
    parse_listen,
    ports_for,
    reachable_hosts,
    source_for,
    split_address,
)
from bough_daemon.system.descriptors import most_connections
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record
from bough_daemon.system.threads import to_the_end
from bough_daemon.team.identity import Identity, der_of, pem_of
from bough_daemon.team.roster import Admission, Roster

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
CLOSING_SECONDS = 3.0  # that calls continue on a port that was closed
KEEPALIVE_MS, ANSWER_MS = 9_000, 5_000  # so that an unresponsive peer is noticed within 15 s
COMMON_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", ANSWER_MS),
    # What ends a connection whose ping is not answered; a minute by default, whatever keepalive says.
    ("grpc.http2.ping_timeout_ms", ANSWER_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER_OPTIONS: list[tuple[str, int | str]] = [
    *COMMON_OPTIONS,
    # A peer may ping as often as we do.
    ("grpc.http2.min_ping_interval_without_data_ms", ANSWER_MS),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
    ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_SECONDS * 1000)),
    ("grpc.max_connection_idle_ms", int(IDLE_SECONDS * 1000)),
    ("grpc.max_concurrent_streams", MOST_CALLS),
]


class Pipe(Protocol):
    """A stream of messages to and from a peer, whose first message was `hello`.

    `local`: the address of this machine that it uses; empty: unknown.
    """

    hello: Hello
    local: str

    async def read(self) -> Message | None:
        """Return the next message, or None after the peer's last one."""

    async def write(self, *messages: Message) -> None:
        """Send a message, or several if the peer's hello has `bundles`; return when there is space for another."""

    async def beside(self) -> Pipe:
        """Return the stream for large packs, where both sides have one: it begins with this one's Hello."""


class TeamEndpoint(Protocol):
    """A repository's team, as the listener uses it."""

    @property
    def roster(self) -> Roster:
        """The team's members."""

    async def welcome(self, caller: Admission, pipe: Pipe) -> None:
        """Serve a member who has called, until either side ends it; raise PeerRefused to turn them away.

        A former member is turned away with the reason.
        """

    async def let_in(self, request: pb.JoinRequest) -> pb.JoinResponse:
        """Admit the holder of a ticket to the team, or raise the reason."""

    async def be_met(self, request: pb.MeetRequest) -> pb.MeetResponse:
        """Exchange addresses between a member and the team; raise PeerRefused for anyone else."""

    def speaks_otherwise(self, member: str) -> None:
        """Record that a member runs an incompatible version of Bough."""

    def moved(self) -> None:
        """Tell the team that this daemon now listens elsewhere."""

    @property
    def reach(self) -> Seeker:
        """The members of the team who are missing."""

    def network_changed(self, *, slept: bool) -> None:
        """Reconnect after this machine's network has changed, or after it was asleep."""


@dataclass(frozen=True)
class ListenAddress:
    """The addresses of a daemon, remembered so that teammates find it again. Port 0: any free one.

    `chosen`: the user has named the address, so nothing else is opened until another is named. `setting`: the value of
    `team.listen` when it was last applied. `advertised`: the value of the last `--advertise`.
    """

    host: str = LOOPBACK
    port: int = 0
    join_port: int = 0
    chosen: bool = False
    setting: str = ""
    advertised: str = ""


@dataclass(frozen=True)
class ListenSettings:
    """The settings `team.listen`, `team.port` (0: any) and `team.advertise`."""

    listen: str = ""
    port: int = 0
    advertise: str = ""


class PeerListener:
    """The listeners of one daemon. `rooms`: the teams that it serves, by id."""

    def __init__(self, home: Home, identity: Identity) -> None:
        self.home = home
        self.identity = identity
        self.rooms: dict[str, TeamEndpoint] = {}
        home.make()
        self._path = home.path("listen.json")
        self.door = ListenAddress()
        if os.path.exists(self._path):
            self.door = read_record(self._path, ListenAddress)
        self._settings = ListenSettings(self.door.setting)
        self._displaced: ListenAddress | None = None  # the address to return to once another program releases it
        self._away: ListenAddress | None = None  # the address to return to once this machine has it again
        self._returning: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server | None = None
        self._join_server: grpc.aio.Server | None = None
        self._closing: dict[grpc.aio.Server, asyncio.Task[None]] = {}
        self._expecting: set[str] = set()  # teams with a valid ticket
        self._joining = asyncio.Lock()
        self._roots = b""

    async def start(self, settings: ListenSettings | None = None) -> None:
        """Listen at the last address, or where the settings now say.

        On another port, or for this machine only, if that fails now.
        """
        self.refresh()
        self._settings = settings or self._settings
        setting = self._settings.listen
        if setting != self.door.setting:
            door = replace(self.door, chosen=bool(setting), setting=setting)
            host, port = self._address_set(setting) if setting else (door.host, door.port)
            self._remember(replace(door, host=host, port=port))
        if self._moves_port():
            self._remember(replace(self.door, port=self._settings.port))
        if not is_here(self.door.host):
            log.warning("%s is not an address of this machine; only this machine is listened to", self.door)
            self._away = self.door
            await self._listen(LOOPBACK, 0)
            return
        try:
            await self._listen(self.door.host, self.door.port)
        except PortTaken:
            log.warning("%s is taken; teammates will be told another", self.door)
            self._displaced = self.door
            try:
                await self._listen(self.door.host, 0)
            except PortTaken:
                await self._listen(LOOPBACK, 0)

    def _port(self, port: int) -> int:
        """Return the port to use for a requested `port`: that of the setting, if any will do."""
        return port or (0 if self.home.clone_name else self._settings.port)

    def _address_set(self, setting: str) -> tuple[str, int]:
        """Return host and port of the setting `team.listen`; a clone with its own identity listens on any free port."""
        host, port = parse_listen(setting)
        return host, 0 if self.home.clone_name else self._port(port)

    def _moves_port(self) -> bool:
        """Return whether the setting `team.port` names another port; a port given with an address takes precedence."""
        wished = 0 if self.door.chosen else self._settings.port
        return wished not in (0, self.door.port) and not self.home.clone_name

    async def stop(self) -> None:
        """Stop listening; open connections are cut."""
        servers = [one for one in (self._server, self._join_server, *self._closing) if one is not None]
        closing = list(self._closing.values())
        if self._returning is not None:
            self._returning.cancel()
        self._server = self._join_server = None
        for server in servers:
            await server.stop(None)
        await asyncio.gather(*closing)

    def refresh(self) -> None:
        """Trust the certificates of everyone in every team from the next handshake on.

        Those of former members, and of members they admitted, are trusted too, so that they can be told why they are
        turned away.
        """
        rosters = [room.roster for room in self.rooms.values()]
        callers = {one.certificate for roster in rosters for one in (*roster.members.values(), *roster.turned_away())}
        self._roots = b"".join(map(pem_of, sorted({*callers, self.identity.certificate})))

    async def open(self, listen: str | None) -> list[str]:
        """Let teammates call at `listen`, and nowhere else; return the addresses opened by this call.

        `listen`: `HOST`, `HOST:PORT` or `:PORT`; None: what is already open, else every interface. Raises PortTaken;
        then nothing has changed.
        """
        before = self.door
        host, port = parse_listen(listen) if listen is not None else (before.host, before.port)
        if listen is None and is_loopback(host) and not before.chosen:
            host, port = EVERYWHERE, 0
        port = self._port(port) if host != before.host or listen is not None else port
        moves = host != before.host or port not in (0, before.port)
        if moves:
            await self._move(host, port)
        if listen is not None:
            self._displaced = None
            self._remember(replace(self.door, chosen=True))
        if self.door != before:
            self._tell_moved()
        return self.listening()[:1] if moves else []

    async def follow(self, settings: ListenSettings) -> None:
        """Listen where the settings say, if they are new: the latest of the settings and `--listen` counts."""
        before, self._settings = self._settings, settings
        setting = settings.listen
        if setting != self.door.setting:
            if setting:
                await self.open(join_address(*self._address_set(setting)))
            self._remember(replace(self.door, chosen=bool(setting), setting=setting))
        elif settings.port != before.port and self._moves_port():
            await self._move(self.door.host, settings.port)
        if settings != before:
            self._tell_moved()

    def advertise(self, addresses: str) -> None:
        """Have teammates and new members call these addresses first; raise BadUsage if one cannot be called.

        `HOST:PORT` each, separated by commas; empty: none. New members call the port after it.
        """
        parse_advertised(addresses)
        if addresses != self.door.advertised:
            self._remember(replace(self.door, advertised=addresses))
            self._tell_moved()

    def _tell_moved(self) -> None:
        for room in self.rooms.values():
            room.moved()

    def _advertised(self) -> tuple[str, ...]:
        return parse_advertised(f"{self.door.advertised},{self._settings.advertise}")[:MOST_ADVERTISED]

    async def put_back(self, door: ListenAddress) -> None:
        """Return to a previous address."""
        if (door.host, door.port) != (self.door.host, self.door.port):
            await self._move(door.host, door.port)
        self._remember(door)

    def network_changed(self, slept: bool) -> None:
        """Tell every team that this machine's network has changed, or that it was asleep."""
        if self._away is not None and is_here(self._away.host):
            self._returning = asyncio.create_task(self._return(self._away))
        for room in self.rooms.values():
            room.network_changed(slept=slept)

    async def _return(self, away: ListenAddress) -> None:
        """Listen at an address again that this machine did not have for a while."""
        try:
            await self._move(away.host, away.port)
        except PortTaken:
            log.warning("%s is back, but taken", away)
            self._away = away
            return
        self._tell_moved()

    async def expect(self, team: str, is_out: bool, *, anywhere: bool = False) -> list[str]:
        """Listen for new members while a ticket of any team is valid; return the addresses opened by this call.

        `is_out`: whether one of this team is valid. `anywhere`: on another port if the previous one is taken. Raises
        PortTaken.
        """
        (self._expecting.add if is_out else self._expecting.discard)(team)
        async with self._joining:
            if not self._expecting and self._join_server is not None:
                server, self._join_server = self._join_server, None
                self._close_soon(server)
            if not self._expecting or self._join_server is not None:
                return []
            await self._listen_for_joiners(anywhere)
            return self.listening()[1:]

    async def _listen_for_joiners(self, anywhere: bool) -> None:
        """Listen on the previous port, which valid tickets name; if it is taken, on another one with `anywhere`."""
        try:
            await self._listen_for_joiners_on(self.door.join_port or self.door.port + 1)
        except PortTaken:
            if not anywhere and self.door.join_port:
                raise
            await self._listen_for_joiners_on(0)

    async def _listen_for_joiners_on(self, port: int) -> None:
        server = _server(("grpc.max_receive_message_length", LARGEST_REQUEST_BYTES))
        services.add_JoinServiceServicer_to_server(_Joins(self), server)
        pair = (self.identity.tls_key, self.identity.certificate_pem)
        bound = await _bind(server, self.door.host, port, lambda: grpc.ssl_server_credentials([pair]))
        self._join_server = server
        self._remember(replace(self.door, join_port=bound))

    async def _move(self, host: str, port: int) -> None:
        """Move the listeners for teammates and new members; raise PortTaken and stay."""
        before, old = self.door, self._server
        self._displaced = self._away = None
        if port == before.port and old is not None:  # it cannot be bound twice, even on different interfaces
            await old.stop(None)
            old = self._server = None
        try:
            await self._listen(host, port)
        except PortTaken:
            if self._server is None:
                await self._listen(before.host, before.port)
            raise
        if old is not None:
            self._close_soon(old)
        async with self._joining:
            if self._join_server is not None:
                await self._join_server.stop(None)
                self._join_server = None
                await self._listen_for_joiners(True)

    def _close_soon(self, server: grpc.aio.Server) -> None:
        """Accept no new calls, and end running ones soon: answers arrive, and teammates call the new address."""
        self._closing[server] = asyncio.create_task(server.stop(CLOSING_SECONDS))
        self._closing[server].add_done_callback(lambda _: self._closing.pop(server, None))

    def listening(self) -> list[str]:
        """Return the open addresses, each with its purpose, for messages."""
        joining = [self.door.join_port] if self._join_server is not None else []
        opened = [(self.door.port, "teammates")] if self._server is not None else []
        opened += [(port, "new members") for port in joining]
        return [f"{join_address(self.door.host, port)} ({whom})" for port, whom in opened]

    def notices(self) -> list[Notice]:
        """Return what the user should know about the listeners."""
        gone = self._away or self.door
        # Names are looked up when the network changes, not for each status, which would wait for a name server.
        is_gone = not is_here(gone.host) if is_numeric(gone.host) else self._away is not None
        if is_gone:
            return [AddressGone(gone.host)]
        before = self._displaced
        if before is None or (is_loopback(before.host) and not before.chosen):
            return []
        now = join_address(self.door.host, self.door.port)
        return [PortInUse(join_address(before.host, before.port), now, is_loopback(self.door.host))]

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that teammates can call."""
        here = (join_address(host, self.door.port) for host in reachable_hosts(self.door.host))
        return tuple(dict.fromkeys((*self._advertised(), *here)))

    @property
    def deputy_port(self) -> int:
        """The port that is open for new members whenever a ticket names this member; 0: none can be called."""
        if is_loopback(self.door.host) and not self.door.chosen:
            return 0
        if not self.door.join_port:
            self._remember(replace(self.door, join_port=self.door.port + 1))
        return self.door.join_port

    def join_addresses(self) -> tuple[str, ...]:
        """Return the addresses that joiners can call."""
        here = (join_address(host, self.door.join_port) for host in reachable_hosts(self.door.host))
        return tuple(dict.fromkeys((*map(next_port, self._advertised()), *here)))

    async def _listen(self, host: str, port: int) -> None:
        server = _server()
        services.add_PeerServiceServicer_to_server(_Peers(self), server)
        bound = await _bind(
            server, host, port, lambda: grpc.dynamic_ssl_server_credentials(*self._certificates(), True)
        )
        self._server = server
        # With a port named by the user, new members use the next one: so both can be forwarded.
        named = bound != self.door.port and port == bound
        self._remember(replace(self.door, host=host, port=bound, join_port=bound + 1 if named else self.door.join_port))

    def _certificates(self) -> tuple[grpc.ServerCertificateConfiguration, Callable[[], Any]]:
        """Return a server's first handshake configuration, and a function for later ones that returns a changed one.

        It returns None if nothing has changed: gRPC swaps what handshakes on other threads may be reading, without a
        lock, so a swap at each of them lets any crowd of callers crash the process. Called from gRPC's threads.
        """
        pair, told = (self.identity.tls_key, self.identity.certificate_pem), self._roots

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal told
            if told == self._roots:
                return None
            told = self._roots
            return grpc.ssl_server_certificate_configuration([pair], told)

        return grpc.ssl_server_certificate_configuration([pair], told), changed

    def _remember(self, door: ListenAddress) -> None:
        if door != self.door:
            self.door = door
            kept = self._away
            kept = replace(door, host=kept.host, port=kept.port, join_port=kept.join_port) if kept is not None else door
            write_whole(self._path, as_json(kept))


def _server(*options: tuple[str, int | str]) -> grpc.aio.Server:
    """Return a server with a connection limit that leaves enough files for recording."""
    connections = ("grpc.max_allowed_incoming_connections", most_connections())
    return grpc.aio.server(options=[*SERVER_OPTIONS, connections, *options])


async def _bind(
    server: grpc.aio.Server, host: str, port: int, credentials: Callable[[], grpc.ServerCredentials]
) -> int:
    """Start a server at an address and return its port; 0 is any free one.

    `credentials` makes new ones for each port: gRPC asks those that change for their first certificate only once.
    """
    for candidate in ports_for(port):
        try:
            bound = server.add_secure_port(join_address(host, candidate), credentials())
        except RuntimeError:
            continue
        try:
            await to_the_end(server.start())
        except BaseException:
            await to_the_end(server.stop(None))
            raise
        return bound
    await server.stop(None)
    address = join_address(host, port)
    raise PortTaken(
        f"{address} cannot be listened on: it is in use, or not an address of this machine", address=address
    )


def _local_for(peer: str) -> str:
    """Return the address of this machine that a caller most likely used, derived from gRPC's name for the peer."""
    return source_for(split_address(unquote(peer.partition(":")[2]))[0]) if peer.startswith("ipv") else ""


class _CalledPipe:
    """The stream of a peer who called. `answer`: the kind of message that is sent on it."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], answer: Callable[..., Any]) -> None:
        self._context = context
        self._answer = answer
        self.hello = Hello("")
        self.local = _local_for(context.peer())
        self.packs: asyncio.Future[Pipe] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self._heard: deque[Message] = deque()

    async def read(self) -> Message | None:
        if not self._heard:
            message = await self._context.read()
            if message is grpc.aio.EOF:
                return None
            self._heard.extend(wire.words(message))
        return self._heard.popleft()

    async def write(self, *said: Message) -> None:
        first, *more = map(wire.word_message, said)
        await self._context.write(self._answer(word=first, more=more))

    async def beside(self) -> Pipe:
        return await asyncio.shield(self.packs)

    async def first_word(self) -> Hello:
        """Return the first word, and remember it; raise PeerRefused or TimeoutError where that is none."""
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            hello = await self.read()
        if not isinstance(hello, Hello):
            raise PeerRefused(OTHER_VERSION)
        self.hello = hello
        return hello

    async def abort(self, code: grpc.StatusCode, reason: str) -> None:
        """End it, and tell the caller why."""
        await self._context.abort(code, reason)

    def certificate(self) -> bytes:
        """Return the certificate (DER) that the caller has shown; empty: none."""
        shown = next(iter(self._context.auth_context().get("x509_pem_cert", ())), b"")
        return der_of(shown) if shown else b""


class _Peers(services.PeerServiceServicer):
    def __init__(self, listener: PeerListener) -> None:
        self._listener = listener
        self._talking: dict[tuple[bytes, str, int], _CalledPipe] = {}  # by certificate, team and number

    async def Converse(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.ConverseRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        await self._serve(_CalledPipe(context, pb.ConverseResponse), self._converse)

    async def Carry(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.CarryRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        await self._serve(_CalledPipe(context, pb.CarryResponse), self._carry)

    async def _serve(self, pipe: _CalledPipe, serve: Callable[[_CalledPipe], Awaitable[None]]) -> None:
        try:
            await pipe.first_word()
            await serve(pipe)
        except BoughError as refused:
            await pipe.abort(wire.code_of(refused), refused.message)
        except TimeoutError:
            await pipe.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the first message did not arrive in time")

    async def _converse(self, pipe: _CalledPipe) -> None:
        room, certificate = self._listener.rooms.get(pipe.hello.team), pipe.certificate()
        caller = room.roster.caller(certificate) if room is not None and certificate else None
        if room is None or caller is None or caller.key == self._listener.identity.key:
            raise PeerRefused("no member of the team has this certificate")
        if pipe.hello.version != VERSION:
            room.speaks_otherwise(caller.name)
            raise PeerRefused(OTHER_VERSION)
        which = certificate, pipe.hello.team, pipe.hello.carried_apart
        self._talking[which] = pipe
        try:
            await room.welcome(caller, pipe)
        finally:
            pipe.over.set()
            if self._talking.get(which) is pipe:
                del self._talking[which]

    async def _carry(self, pipe: _CalledPipe) -> None:
        """Give a stream for packs to its connection, and keep it open as long as the connection."""
        talk = self._talking.get((pipe.certificate(), pipe.hello.team, pipe.hello.carried_apart))
        if talk is None or not talk.hello.carried_apart or talk.packs.done():
            raise PeerRefused("there is no conversation that these packs belong to")
        talk.packs.set_result(pipe)
        await talk.over.wait()


class _Joins(services.JoinServiceServicer):
    def __init__(self, listener: PeerListener) -> None:
        self._listener = listener

    async def Join(self, request: pb.JoinRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.JoinResponse:
        return await self._answer(request.team, context, lambda room: room.let_in(request))

    async def Meet(self, request: pb.MeetRequest, context: grpc.aio.ServicerContext[Any, Any]) -> pb.MeetResponse:
        return await self._answer(request.team, context, lambda room: room.be_met(request))

    async def _answer(
        self, team: str, context: grpc.aio.ServicerContext[Any, Any], ask: Callable[[TeamEndpoint], Awaitable[Answer]]
    ) -> Answer:
        room = self._listener.rooms.get(team)
        try:
            if room is None:
                raise PeerRefused("the team of the ticket is not live at that address")
            return await ask(room)
        except BoughError as refused:
            await context.abort(wire.code_of(refused), refused.message)
            raise
