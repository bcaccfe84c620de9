"""Call others: a teammate, whose certificate is known, or the maker of a ticket, whose fingerprint is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from typing import Any, TypeAlias, TypeVar

import grpc
from bough_proto.v1 import peer_pb2 as pb
from bough_proto.v1 import peer_pb2_grpc as services

from bough_daemon.errors import BadTicket, BadUsage, BoughError, PeerRefused, PeerUnreachable
from bough_daemon.sync import wire
from bough_daemon.sync.listener import COMMON_OPTIONS
from bough_daemon.sync.messages import Hello, Message
from bough_daemon.system.addresses import split_address
from bough_daemon.system.knocking import Knock, knocks
from bough_daemon.system.text import ago
from bough_daemon.team.identity import SERVER_NAME, Identity, der_of, fingerprint, pem_of
from bough_daemon.team.tickets import Ticket, TicketAnswerer

PATIENCE = 5.0  # seconds until a peer must have sent its first message
OTHER_MACHINE = "another machine answers there"
Answer = TypeVar("Answer")
JoinStub: TypeAlias = "services.JoinServiceAsyncStub"
JOIN_PATIENCE = 30.0  # seconds until the maker of a ticket must have answered


def _channel(address: str, root: bytes, identity: Identity | None) -> grpc.aio.Channel:
    """Return a channel that accepts only the certificate `root` (DER)."""
    split_address(address)
    pair = (identity.tls_key, identity.certificate_pem) if identity is not None else (None, None)
    options = [*COMMON_OPTIONS, ("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.enable_http_proxy", 0)]
    credentials = grpc.ssl_channel_credentials(pem_of(root), *pair)
    # Spelled out, so that no address is read as another kind of target.
    return grpc.aio.secure_channel(f"dns:///{address}", credentials, options=options)


class _CallingPipe:
    """The stream to a peer whom we called. `said`: our first word. `request`: the kind of message that is sent."""

    def __init__(self, stub: Any, said: Hello, local: str, request: Callable[..., Any] = pb.ConverseRequest) -> None:
        self._stub = stub
        self._said = said
        self._request = request
        self._call = stub.Converse() if request is pb.ConverseRequest else stub.Carry()
        self.hello = Hello("")
        self.local = local
        self._heard: deque[Message] = deque()

    async def read(self) -> Message | None:
        if not self._heard:
            message = await self._call.read()
            if message is grpc.aio.EOF:
                return None
            self._heard.extend(wire.words(message))
        return self._heard.popleft()

    async def write(self, *said: Message) -> None:
        first, *more = map(wire.word_message, said)
        await self._call.write(self._request(word=first, more=more))

    async def beside(self) -> _CallingPipe:
        packs = _CallingPipe(self._stub, self._said, self.local, pb.CarryRequest)
        await packs.write(self._said)
        return packs

    def cancel(self) -> None:
        """End it."""
        self._call.cancel()


@contextlib.asynccontextmanager
async def call_member(
    address: str, hello: Hello, certificate: bytes, identity: Identity, local: str = ""
) -> AsyncIterator[_CallingPipe]:
    """Yield a stream to a teammate who has answered; raise PeerUnreachable or PeerRefused.

    `local`: the address of this machine that it uses, if known.
    """
    try:
        async with _channel(address, certificate, identity) as channel:
            pipe = _CallingPipe(services.PeerServiceStub(channel), hello, local)
            try:
                async with asyncio.timeout(PATIENCE):
                    await pipe.write(hello)
                    answer = await pipe.read()
                    if not isinstance(answer, Hello):
                        raise PeerRefused("peer closed the connection during the handshake")
                    pipe.hello = answer
                yield pipe
            finally:
                pipe.cancel()
    except grpc.RpcError as failure:
        raise wire.error_of(failure) from failure
    except TimeoutError as late:
        raise PeerUnreachable(f"{address} did not answer") from late


async def present_ticket(ticket: Ticket, request: pb.JoinRequest) -> pb.JoinResponse:
    """Ask the maker of a ticket, or a deputy, for admission; raises what `ask_answerer` raises."""
    return await ask_answerer(ticket, lambda stub, _: stub.Join(request, timeout=JOIN_PATIENCE))


async def ask_answerer(
    ticket: Ticket, ask: Callable[[services.JoinServiceAsyncStub, bytes], Awaitable[Answer]]
) -> Answer:
    """Ask the maker of a ticket, or a deputy, for something, whichever answers first.

    The maker's addresses are tried a little earlier. `ask` gets the fingerprint of the answerer; its request goes only
    to a holder of a certificate that the ticket names. Raises their error, or PeerUnreachable, PeerRefused or, by this
    machine's clock, BadTicket, with the failure of each address.
    """
    failures, expected = dict[str, str](), dict[str, set[bytes]]()
    for one in (TicketAnswerer(ticket.fingerprint, ticket.addresses), *ticket.deputies):
        for address in one.addresses:
            expected.setdefault(address, set()).add(one.fingerprint)
    async with contextlib.aclosing(knocks(list(expected))) as answers:
        async for knock in answers:
            certificate = await _certificate_of(expected[knock.address], knock, failures)
            if certificate is None:
                continue
            try:
                async with _channel(knock.address, certificate, None) as channel:
                    stub: Any = services.JoinServiceStub(channel)
                    return await ask(stub, fingerprint(certificate))
            except grpc.RpcError as failure:
                raise wire.error_of(failure) from failure
    kind: type[BoughError] = PeerRefused if OTHER_MACHINE in failures.values() else PeerUnreachable
    tried = "; ".join(f"{address}: {failures[address]}" for address in expected)
    if time.time() > ticket.expires:
        raise BadTicket(f"the ticket expired {ago(ticket.expires)}; the member who made it does not answer: {tried}")
    raise kind(f"the member who made the ticket could not be reached, or it was used or revoked: {tried}")


async def _certificate_of(expected: Container[bytes], knock: Knock, failures: dict[str, str]) -> bytes | None:
    """Return the certificate of an expected member if they answer; else None, and record why not."""
    try:
        certificate = await _certificate_at(knock.address) if not knock.failure else b""
    except (OSError, ValueError, BadUsage) as failure:
        failures[knock.address] = str(failure)
        return None
    if fingerprint(certificate) in expected:
        return certificate
    failures[knock.address] = knock.failure or OTHER_MACHINE
    return None


async def _certificate_at(address: str) -> bytes:
    pem = await asyncio.to_thread(ssl.get_server_certificate, split_address(address), timeout=PATIENCE)
    return der_of(pem.encode())
