"""Calls of the REST API, with the key of a local installation."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lamplighter.cli.fail import Failure
from lamplighter.settings import SettingsError, load

TIMEOUT = 10.0


class Rest:
    """The API of one server.

    :param data: the folder with ``admin-key`` and ``pki/ca.pem``
    :param server: its URL or host; by default this machine and the port of the settings
    :param key: a file with the key to call with; by default the folder's ``admin-key``
    :param keep: one connection for all calls, which then must come from one thread: for whoever has thousands
    """

    def __init__(self, data: Path, server: str | None, *, key: Path | None = None, keep: bool = False) -> None:
        self._data = data
        self._keep = keep
        self._kept: http.client.HTTPSConnection | None = None
        try:
            port = load().http.port
        except SettingsError as error:
            raise Failure(str(error)) from None
        parts = urlsplit(server if server and "//" in server else f"https://{server or 'localhost'}")
        self.host, self.port = parts.hostname or "localhost", parts.port or port
        ca = data / "pki" / "ca.pem"
        self._context = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
        key = key or data / "admin-key"
        if not key.exists():
            raise Failure(
                f"{key} does not exist. Name the data folder of the server with --data, or start one: lamplighter serve"
            )
        self._key = key.read_text().strip()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body. Raises Failure when the server cannot be reached."""
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                return self._call(kept, method, path, body)
            except (ConnectionError, http.client.HTTPException):
                kept.close()  # the server ended it meanwhile
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._context, timeout=TIMEOUT)
        try:
            return self._call(connection, method, path, body)
        except ssl.SSLCertVerificationError as error:
            raise Failure(
                f"The certificate of {self.host}:{self.port} is not trusted ({error.verify_message}). "
                f"Use the --data folder of that server: its pki/ca.pem signs it."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise Failure(
                f"https://{self.host}:{self.port} does not answer ({error}). Is the server running? `lamplighter doctor` looks."
            ) from None

    def _call(self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Raises OSError, HTTPException."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            if self._keep:
                self._kept = connection
        finally:
            if self._kept is not connection:
                connection.close()
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, text.decode(errors="replace")


def said(status: int, answer: object) -> str:
    """An answer of the API in words."""
    if isinstance(answer, dict) and "message" in answer:
        return f"{status} {answer.get('type', '')}: {answer['message']} (request_id {answer.get('request_id', 'none')})"
    return f"{status} {str(answer)[:200]}"
