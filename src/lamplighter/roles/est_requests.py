"""EST on the LwM2M port: a registered device fetches the certificate that it was told to renew (wire facts section 2.4).

``POST /est/sen`` is for the certificate that it registers with, ``POST /est/<name>/sen`` for one of its owner's.
"""

from __future__ import annotations

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.errors import issuers as errors
from lamplighter.lwm2m.est import EST_PATH, PKCS7_CERTS_ONLY
from lamplighter.services.certificates.service import framed
from lamplighter.services.connect.service import Connect, Peer
from lamplighter.services.issuers.model import LWM2M
from lamplighter.services.issuers.renewals import Renewals

FIRST_SEGMENT = EST_PATH[0]


class EstRequests:
    """Answers them, for all ports of a process."""

    def __init__(self, connect: Connect, renewals: Renewals) -> None:
        self._connect = connect
        self._renewals = renewals

    async def answer(self, peer: Peer, path: tuple[str, ...], message: Message) -> Message:
        """The answer to a request below ``/est``.

        Raises CertificateNotAsked, CertificationRequestInvalid, IssuerFailed, IssuerUnreachable, DatabaseUnavailable.
        """
        name = _certificate_name(path)
        if name is None:
            return Message(Code.NOT_FOUND)
        if message.code != Code.POST:
            return Message(Code.METHOD_NOT_ALLOWED)
        registered = self._connect.registered_through(peer)
        if registered is None:
            raise errors.CertificateNotAsked(device_id="behind it", certificate_name=name[:50])
        standard = message.accept == PKCS7_CERTS_ONLY
        chain = await self._renewals.certify(registered, name, message.payload)
        response = Message(Code.CHANGED, payload=framed(chain, pkcs7_wanted=standard))
        return response.add(Option.CONTENT_FORMAT, PKCS7_CERTS_ONLY) if standard else response


def _certificate_name(path: tuple[str, ...]) -> str | None:
    """The certificate that a path is for; None: it is no path of ours."""
    if path == EST_PATH:
        return LWM2M
    return path[1] if len(path) == 3 and (path[0], path[2]) == EST_PATH and path[1] != LWM2M else None
