"""Accounts at ACME servers: the key that is an account (RFC 8555 section 6.2), and what shows whose it is (section 7.3.4)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from lamplighter.services.issuers.kinds import Values, private_key_of, signing_algorithm

_HEADER: Final = jws.JWSRegistry(algorithms=["ES256", "ES384", "RS256", "HS256"], strict_check_header=False)
"""ACME has header parameters of its own: url and nonce."""


class AcmeAccount:
    """Signs requests. The credentials have a private key (``kept_credentials``). Raises KeyFault."""

    def __init__(self, credentials: Values) -> None:
        private = private_key_of(credentials)
        self._algorithm = signing_algorithm(private)
        kind = RSAKey if isinstance(private, rsa.RSAPrivateKey) else ECKey
        self._key: Key = kind.import_key(private)  # type: ignore[arg-type]
        self._credentials = credentials
        self.jwk = self._key.as_dict(private=False)
        self.thumbprint = self._key.thumbprint()

    def signed(self, payload: bytes, url: str, nonce: str, account_url: str) -> bytes:
        """A request (JWS in flattened JSON).

        :param account_url: "": the server does not know the key yet
        """
        who = {"kid": account_url} if account_url else {"jwk": self.jwk}
        return _encoded({"alg": self._algorithm, "nonce": nonce, "url": url, **who}, payload, self._key)

    def binding(self, url: str) -> Any:
        """What shows that the external account of the credentials asks for this key's; None: they have no such account.

        :param url: for new accounts
        """
        if not self._credentials.get("eab_key_id"):
            return None
        secret = OctKey.import_key({"kty": "oct", "k": self._credentials["eab_hmac_key"].rstrip("=")})
        header = {"alg": "HS256", "kid": self._credentials["eab_key_id"], "url": url}
        return msgspec.Raw(_encoded(header, msgspec.json.encode(self.jwk), secret))


def _encoded(header: dict[str, Any], payload: bytes, key: Key) -> bytes:
    return msgspec.json.encode(jws.serialize_json({"protected": header}, payload, key, registry=_HEADER))
