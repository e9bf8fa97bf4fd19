"""What may happen to trust anchors, and who gets an access token for which devices."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.api.caller import Caller
from lamplighter.api.page import Page
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339, to_rfc3339_seconds
from lamplighter.errors import FieldFault, access
from lamplighter.errors import secure_access as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.services.directory.service import Directory
from lamplighter.services.secure_access import events
from lamplighter.services.secure_access.confirmation import read_public_key
from lamplighter.services.secure_access.model import TokenRequest, TokenResponse, TrustAnchor, TrustAnchorPage
from lamplighter.services.secure_access.store import TrustAnchors as Store
from lamplighter.services.secure_access.token import Grant, anchor_name, sign
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row
from lamplighter.storage.seal import MasterKey

_KEY = "trust anchor key"


class SecureAccess:
    """Trust anchors of all accounts, and the tokens that they sign."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        master_key: MasterKey,
        directory: Directory,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings.access
        self._master_key = master_key
        self._directory = directory

    # Trust anchors

    async def anchors(self, account_id: str, page: Page) -> TrustAnchorPage:
        rows, has_more, total = await Store(self._database, account_id).page(page)
        found = [_shown(row) for row in rows]
        return TrustAnchorPage("list", found, page.limit, page.after, page.order, has_more, total)

    async def create_anchor(self, account_id: str, description: str, caller: Caller) -> TrustAnchor:
        """Make a key pair. Raises ObjectLimitReached."""
        now, anchor_id = self._clock.now(), self._ids.new()
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        row: dict[str, Any] = {
            "id": anchor_id,
            "description": description,
            "public_key": public,
            "sealed_key": self._master_key.seal(private, _KEY, anchor_id),
            "created_at": now,
            "updated_at": now,
        }
        limit = self._settings.trust_anchors
        told = {"id": anchor_id, "fingerprint": anchor_name(public)}
        async with self._database.transaction() as transaction:
            store = Store(transaction, account_id)
            used = await store.count_alone(transaction)
            if used >= limit:
                raise access.ObjectLimitReached(used=used, limit=limit, kind="trust anchors")
            await store.add(transaction, **row)
            await append(transaction, _event(events.ANCHOR_CREATED, account_id, now, caller, told))
        return _shown(row)

    async def update_anchor(self, account_id: str, anchor_id: str, description: str, caller: Caller) -> TrustAnchor:
        """Give it another description; its keys stay. Raises TrustAnchorNotFound."""
        now, anchor_id = self._clock.now(), _checked(anchor_id)
        async with self._database.transaction() as transaction:
            row = await Store(transaction, account_id).describe(transaction, anchor_id, description, now)
            if row is None:
                raise errors.TrustAnchorNotFound(trust_anchor_id=anchor_id)
            await append(transaction, _event(events.ANCHOR_CHANGED, account_id, now, caller, {"id": anchor_id}))
        return _shown(row)

    async def delete_anchor(self, account_id: str, anchor_id: str, caller: Caller) -> None:
        """Raises TrustAnchorNotFound."""
        now, anchor_id = self._clock.now(), _checked(anchor_id)
        async with self._database.transaction() as transaction:
            if not await Store(transaction, account_id).delete(transaction, anchor_id):
                raise errors.TrustAnchorNotFound(trust_anchor_id=anchor_id)
            await append(transaction, _event(events.ANCHOR_DELETED, account_id, now, caller, {"id": anchor_id}))

    # Tokens

    async def token(self, account_id: str, wanted: TokenRequest, caller: Caller) -> TokenResponse:
        """Grant access to devices; the newest trust anchor signs.

        Raises InvalidParameters for devices that the account does not have, TrustAnchorMissing.
        """
        await self._check_devices(account_id, wanted)
        now, token_id = self._clock.now(), self._ids.new()
        issued_at = now // MICROSECONDS
        grant = Grant(
            token_id=bytes.fromhex(token_id),
            subject=caller.subject_id,
            audience=wanted.audience,
            scopes=wanted.scopes,
            issued_at=issued_at,
            expires_at=issued_at + round(self._settings.device_token_validity),
            confirmation=read_public_key(wanted.cnf),
        )
        # Without a fraction: the vendor's application for phones takes no other form.
        until = to_rfc3339_seconds(grant.expires_at * MICROSECONDS)
        async with self._database.transaction() as transaction:
            anchor = await Store(transaction, account_id).newest()
            if anchor is None:
                raise errors.TrustAnchorMissing()
            token = sign(grant, self._key(anchor))
            told = {
                "id": anchor["id"],
                "token_id": token_id,
                "aud": grant.audience,
                "scope": " ".join(grant.scopes),
                "granted_until": until,
            }
            await append(transaction, _event(events.ACCESS_GRANTED, account_id, now, caller, told))
        return TokenResponse(base64.b64encode(token).decode(), until)

    async def _check_devices(self, account_id: str, wanted: TokenRequest) -> None:
        """IDs are the directory's, so each must be a device of the account. An endpoint name may be that of a device which
        was made in the factory and has never been here."""
        unknown = {
            each
            for each in wanted.audience
            if each.startswith("id:") and await self._directory.device(self._database, account_id, each[3:]) is None
        }
        faults = [
            FieldFault(f"aud[{index}]", "is not the ID of a device of the account")
            for index, each in enumerate(wanted.aud)
            if each.lower() in unknown
        ]
        if faults:
            raise invalid(faults)

    def _key(self, anchor: Row) -> ec.EllipticCurvePrivateKey:
        opened = self._master_key.open(anchor["sealed_key"], _KEY, anchor["id"])
        key = serialization.load_der_private_key(opened, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def _shown(row: Any) -> TrustAnchor:
    der: bytes = row["public_key"]
    pem = serialization.load_der_public_key(der).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return TrustAnchor(
        id=row["id"],
        description=row["description"],
        public_key=pem.decode(),
        public_key_der=base64.b64encode(der).decode(),
        fingerprint=anchor_name(der),
        created_at=to_rfc3339(row["created_at"]),
        updated_at=to_rfc3339(row["updated_at"]),
        etag=to_rfc3339(row["updated_at"]),
    )


def _checked(anchor_id: str) -> str:
    """The ID as it is kept: the contract takes either case. Raises TrustAnchorNotFound for what can be none."""
    if not is_id(anchor_id.lower()):
        raise errors.TrustAnchorNotFound(trust_anchor_id=anchor_id[:64])
    return anchor_id.lower()


def _event(kind: str, account_id: str, now: int, caller: Caller, told: dict[str, Any]) -> Event:
    return Event(kind=kind, account_id=account_id, time=now, data={**told, "by": caller.actor})
