"""One port for bootstrap: what devices ask, the requests that each is then sent in turn, and its enrolment (EST).

A session has one bootstrap at a time; asking again begins anew. What the server cannot finish is told to the directory, so that
the owner sees why a device does not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

import structlog

from lamplighter.coap import numbers
from lamplighter.coap.events import (
    AnswerSent,
    RequestFailed,
    RequestReceived,
    RequestReset,
    RequestTimedOut,
    ResponseReceived,
)
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.errors import Error
from lamplighter.errors.bootstrap import CertificationNotExpected
from lamplighter.lwm2m.bootstrap import (
    BOOTSTRAP_PATH,
    BootstrapFaults,
    BootstrapRefused,
    BootstrapRequest,
    SecurityMode,
    Steps,
    parse_bootstrap_request,
    standard_steps,
    vendor_steps,
)
from lamplighter.lwm2m.est import EST_PATH, PKCS7_CERTS_ONLY
from lamplighter.roles.asking import Asking
from lamplighter.roles.below import Below
from lamplighter.roles.pace import RegistrationPace
from lamplighter.roles.tasks import Tasks
from lamplighter.services.bootstrap.model import Grant, Presented
from lamplighter.services.bootstrap.service import Bootstrap
from lamplighter.services.certificates.service import framed
from lamplighter.services.connect.peer import NoAnswer

log = structlog.get_logger("lamplighter.bootstrap")

OPEN_BOOTSTRAPS = 1000
"""Devices that may be bootstrapped at once; the others are told to come later."""
LATER = 30
"""Seconds after which they shall."""
WHOLE = 600.0
"""Seconds for one bootstrap from its request to its end, enrolment included. A slow NB-IoT device needs two minutes."""
AFTERWARDS = 10.0
"""Seconds that a device gets to end its session by itself."""


class _BrokenOff(Exception):
    """The device did not answer, or is gone."""


class _Running:
    """The bootstrap of one session."""

    def __init__(self, presented: Presented) -> None:
        self.presented = presented
        self.grant: Grant | None = None
        self.task: asyncio.Task[None] | None = None
        self.unanswered: RequestReceived | None = None
        """What the device asked and has no answer to yet."""
        self.sent = asyncio.Event()
        """The answer to the request has left: only then the client listens."""
        self.enrolment: asyncio.Future[RequestReceived] | None = None
        """The certification request, while one is expected."""


class BootstrapPort:
    """``on_event`` takes the endpoint's events; ``flush`` is to be set to what sends what there is.

    :param presented_of: what the credential behind a peer of the endpoint proves
    """

    def __init__(self, bootstrap: Bootstrap, presented_of: Callable[[Any], Presented], below: Below) -> None:
        self.endpoint = below.endpoint()
        self.flush: Callable[[], None] = lambda: None
        self._bootstrap = bootstrap
        self._presented_of = presented_of
        self._end_session = below.end_session
        self._transport = "tcp" if below.stream else "udp"
        self._loop = asyncio.get_running_loop()
        self._pace = RegistrationPace()
        self._running: dict[Hashable, _Running] = {}
        self._asking = Asking(self.endpoint, below, lambda: self.flush())
        self._tasks = Tasks()

    def now(self) -> float:
        return self._loop.time()

    # From the network

    def on_event(self, event: Any) -> None:
        """Take an event of the endpoint."""
        match event:
            case RequestReceived():
                self._take(event)
            case AnswerSent(request):
                running = self._running.get(request.peer)
                if running is not None:
                    running.sent.set()
            case ResponseReceived() | RequestTimedOut() | RequestReset() | RequestFailed():
                self._asking.take(event)

    def disconnected(self, key: Hashable) -> None:
        """The session below ended."""
        self.endpoint.forget(key, self.now())
        running = self._running.get(key)
        if running is not None and running.enrolment is not None and not running.enrolment.done():
            running.enrolment.set_exception(_BrokenOff("the device left before it asked for its certificate"))

    async def close(self) -> None:
        await self._tasks.close()

    # Requests

    def _take(self, request: RequestReceived) -> None:
        try:
            path = request.message.uri_path()
        except FormatError as error:
            self._refuse(request, Code.BAD_REQUEST, str(error))
            return
        if path == EST_PATH:
            self._take_enrolment(request)
        elif path != (BOOTSTRAP_PATH,):
            self._refuse(request, Code.NOT_FOUND)
        elif request.message.code != Code.POST:
            self._refuse(request, Code.METHOD_NOT_ALLOWED)
        else:
            self._take_bootstrap(request)

    def _take_bootstrap(self, request: RequestReceived) -> None:
        presented = self._presented_of(request.peer)
        try:
            asked = parse_bootstrap_request(request.message)
        except BootstrapFaults as error:
            log.info("bootstrap refused", account_id=presented.account_id, faults=error.faults)
            self._refuse(request, Code.BAD_REQUEST, str(error))
            return
        # One developer certificate is in many devices: their addresses tell them apart, as far as that matters here.
        address = getattr(request.peer, "address", request.peer)
        host = address[0] if isinstance(address, tuple) else address
        wait = self._pace.wait(f"{presented.text} {asked.endpoint_name} {asked.device_id} {host}", self.now())
        former = self._running.get(request.peer)
        if wait or (former is None and len(self._running) >= OPEN_BOOTSTRAPS):
            self._refuse(request, Code.SERVICE_UNAVAILABLE, max_age=wait or LATER)
            return
        running = self._running[request.peer] = _Running(presented)
        running.task = self._tasks.spawn(self._serve(request, asked, running, former))

    def _take_enrolment(self, request: RequestReceived) -> None:
        running = self._running.get(request.peer)
        if request.message.code != Code.POST:
            self._refuse(request, Code.METHOD_NOT_ALLOWED)
        elif running is None or running.enrolment is None or running.enrolment.done():
            device = running.grant.device_id if running is not None and running.grant is not None else "behind it"
            error = CertificationNotExpected(device_id=device)
            self._refuse(request, numbers.code(error.coap or ""), error.text)
        else:
            running.enrolment.set_result(request)

    # One bootstrap

    async def _serve(
        self, request: RequestReceived, asked: BootstrapRequest, running: _Running, former: _Running | None
    ) -> None:
        presented = running.presented
        running.unanswered = request
        facts = {"account_id": presented.account_id, "endpoint_name": presented.endpoint_name or asked.endpoint_name}
        try:
            async with asyncio.timeout(WHOLE):
                if former is not None:
                    await self._end_former(former)
                await self._run(request, asked, running)
        except Error as error:
            code = numbers.code(error.coap or ("5.03" if error.status == 503 else "5.00"))
            log.info("bootstrap refused", code=numbers.format_code(code), error=error.name, why=error.text, **facts)
            # First the record: the device may begin anew as soon as it has the answer.
            await self._failed(running, error.text)
            if running.unanswered is not None:
                later = LATER if code == Code.SERVICE_UNAVAILABLE else None
                self._refuse(running.unanswered, code, error.text, max_age=later)
        except (BootstrapRefused, _BrokenOff) as error:
            log.info("bootstrap failed", why=str(error), **facts)
            await self._failed(running, str(error))
        except TimeoutError:
            log.info("bootstrap failed", why=f"it was not finished in {WHOLE:.0f} s", **facts)
            await self._failed(running, f"it was not finished in {WHOLE:.0f} s")
        except Exception:
            log.exception("a bootstrap could not be served", **facts)
            if running.unanswered is not None:
                self._refuse(running.unanswered, Code.INTERNAL_SERVER_ERROR)
            await self._failed(running, "the server met a fault of its own, which its log describes")
        finally:
            if self._running.get(request.peer) is running:
                del self._running[request.peer]
                self._loop.call_later(AFTERWARDS, self._end, request.peer)

    async def _run(self, request: RequestReceived, asked: BootstrapRequest, running: _Running) -> None:
        grant = await self._bootstrap.begin(running.presented, asked, transport=self._transport)
        running.grant = grant
        grant = await self._bootstrap.equip(grant)
        enrols = grant.account.mode is SecurityMode.EST
        if enrols:
            # Expected from now on: some clients send it before their answer to the finish.
            running.enrolment = self._loop.create_future()
        running.unanswered = None
        self.endpoint.respond(request, Message(Code.CHANGED), self.now(), tell_when_sent=True)
        self.flush()
        await running.sent.wait()
        if grant.vendor:
            steps = vendor_steps(grant.account, grant.device_id)
        else:
            steps = standard_steps(grant.account, asked.preferred_format)
        await self._walk(request.peer, steps)
        if running.enrolment is not None:
            running.unanswered = await running.enrolment
            grant = await self._enrol(running.unanswered, grant)
            running.unanswered = None
        await self._bootstrap.finish(running.presented, grant)
        log.info(
            "bootstrapped",
            account_id=grant.account_id,
            endpoint_name=grant.endpoint_name,
            device_id=grant.device_id,
            security_mode=grant.account.mode.name,
        )

    async def _end_former(self, former: _Running) -> None:
        """The device began anew before it was done."""
        if former.task is not None:
            former.task.cancel()
            await asyncio.gather(former.task, return_exceptions=True)
        await self._failed(former, "the device began anew")

    async def _walk(self, peer: Hashable, steps: Steps) -> None:
        message = next(steps)
        while True:
            answer = await self._ask(peer, message)
            try:
                message = steps.send(answer)
            except StopIteration:
                return

    async def _enrol(self, request: RequestReceived, grant: Grant) -> Grant:
        grant = await self._bootstrap.enrol(grant, request.message.payload)
        standard = request.message.accept == PKCS7_CERTS_ONLY
        assert grant.issued is not None
        payload = framed(grant.issued.chain, pkcs7_wanted=standard)
        response = Message(Code.CHANGED, payload=payload)
        if standard:
            response.add(Option.CONTENT_FORMAT, PKCS7_CERTS_ONLY)
        self.endpoint.respond(request, response, self.now())
        self.flush()
        return grant

    async def _failed(self, running: _Running, reason: str) -> None:
        if running.grant is None:
            return
        try:
            await self._bootstrap.fail(running.presented, running.grant, reason)
        except Error as error:
            log.warning("a failed bootstrap could not be written down", why=str(error))

    async def _ask(self, peer: Hashable, message: Message) -> Message:
        """The device's answer. Raises _BrokenOff."""
        try:
            return await self._asking.ask(peer, message)
        except NoAnswer:
            what = f"{Code(message.code).name} /{'/'.join(message.uri_path())}"
            raise _BrokenOff(f"the device did not answer {what}") from None

    def _refuse(self, request: RequestReceived, code: int, text: str = "", *, max_age: int | None = None) -> None:
        response = Message(code, payload=text.encode()[:256].decode(errors="ignore").encode())
        if max_age is not None:
            response.add(Option.MAX_AGE, max_age)
        self.endpoint.respond(request, response, self.now())
        self.flush()

    def _end(self, peer: Any) -> None:
        """End a session that the device has left open."""
        if peer not in self._running and self._end_session is not None:
            self._end_session(peer)
            self.disconnected(peer)
            self.flush()
