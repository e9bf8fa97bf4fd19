"""How a device speaks of itself when it registers and updates: standard clients and the vendor's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.registration import Registration, RegistrationUpdate
from lamplighter.simulator.account import Account
from lamplighter.simulator.bootstrapping import CLIENT_VERSION
from lamplighter.simulator.lamp import Lamp


class Waits(NamedTuple):
    """Seconds before the first retry, drawn between two; each failure doubles it up to a longest."""

    least: float
    most: float
    longest: float


class Dialect(Protocol):
    """``refusals``: codes of an answer to a Register that make the client forget its account and bootstrap again.

    ``resumes``: whether it goes on with its session after a restart. ``shortest_grant``: seconds; a Max-Age of a 2.01 from
    there on is the new lifetime; None: Max-Age means nothing there.
    """

    waits: Waits
    refusals: frozenset[int]
    resumes: bool
    shortest_grant: int | None

    def registration(self) -> Registration: ...

    def update(self, told: Registration) -> tuple[RegistrationUpdate, Registration]:
        """What to send, and what the server knows then."""
        ...


class StandardDialect:
    """OMA LwM2M: an update repeats all links when one has changed."""

    waits = Waits(2.0, 10.0, 3600.0)
    refusals: frozenset[int] = frozenset()
    resumes = False
    shortest_grant: int | None = None

    def __init__(self, name: str, version: str, lamp: Lamp, *, queue_mode: bool) -> None:
        self._name = name
        self._version = version
        self._lamp = lamp
        self._queue_mode = queue_mode

    def registration(self) -> Registration:
        server = self._lamp.server
        return Registration(
            endpoint_name=self._name,
            lifetime=server.lifetime,
            version=self._version,
            binding=server.binding,
            queue_mode=self._queue_mode or "Q" in server.binding,
            links=tuple(self._lamp.tree.links(self._version)),
        )

    def update(self, told: Registration) -> tuple[RegistrationUpdate, Registration]:
        now = self.registration()
        changes = RegistrationUpdate(
            lifetime=now.lifetime if now.lifetime != told.lifetime else None,
            binding=now.binding if now.binding != told.binding else None,
            links=now.links if now.links != told.links else (),
        )
        return changes, now


class VendorDialect:
    """Wire facts section 3: values and tokens in the links, and updates with nothing but what is new or gone."""

    waits = Waits(9.0, 15.0, 4 * 3600.0)
    refusals: frozenset[int] = frozenset({Code.BAD_REQUEST, Code.FORBIDDEN})
    resumes = True
    shortest_grant: int | None = 60

    def __init__(
        self,
        lamp: Lamp,
        account: Callable[[], Account | None],
        links: Callable[[], Iterable[Link]],
        *,
        endpoint_type: str,
        queue_mode: bool,
    ) -> None:
        """``account`` gives the one of the last bootstrap."""
        self._lamp = lamp
        self._account = account
        self._links = links
        self._type = endpoint_type
        self._binding = "UQ" if queue_mode else "U"

    def registration(self) -> Registration:
        account = self._account()
        assert account is not None, "a client without account does not register"
        return Registration(
            endpoint_name=account.endpoint_name,
            endpoint_type=self._type,
            lifetime=self._lamp.server.lifetime,
            version="1.0",
            domain=account.account_id,
            binding=self._binding,
            queue_mode="Q" in self._binding,
            account=account.account_id,
            client_version=CLIENT_VERSION,
            links=tuple(self._links()),
        )

    def update(self, told: Registration) -> tuple[RegistrationUpdate, Registration]:
        now = self.registration()
        changes = RegistrationUpdate(
            endpoint_type=self._type,
            lifetime=now.lifetime if now.lifetime != told.lifetime else None,
            links=_difference(told.links, now.links),
        )
        return changes, now


def _difference(before: tuple[Link, ...], after: tuple[Link, ...]) -> tuple[Link, ...]:
    """New links, and removals; what lies below a removed one is not named."""
    old, new = {link.target for link in before}, {link.target for link in after}
    gone = sorted(old - new)
    tops = [target for target in gone if not any(target.startswith(f"{other}/") for other in gone)]
    return (*[Link(target, (("d", None),)) for target in tops], *[link for link in after if link.target not in old])
