"""What ``lamplighter demo`` shows: real requests, as lines to paste, and their real answers, shortened."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

from lamplighter.cli.channel import PULL, Api, Channel, Item
from lamplighter.cli.fail import Failure

#: Seconds for an answer of a device, and for three notifications.
ANSWER_SECONDS = 30.0
NOTIFICATION_SECONDS = 60.0
TEMPERATURE, RESET, LIGHT = "/3303/0/5700", "/3303/0/5605", "/3311/0/5850"
_T = TypeVar("_T")
_LONGEST_TEXT = 72
_MOST_ITEMS = 2


class Tour:
    """Steps that are done one after another. One that fails says so, the others are done all the same.

    :param explain: prints what the server knows of a request_id
    """

    def __init__(
        self, api: Api, channel: Channel, url: str, data: Path, out: TextIO, explain: Callable[[str], None]
    ) -> None:
        self._api = api
        self._channel = channel
        self._out = out
        self._explain = explain
        self._data = data
        self._curl = f'curl --cacert {data}/pki/ca.pem -H "Authorization: Bearer $(cat {data}/admin-key)"'
        self._url = url
        self._step = 0
        self.failed = 0

    def run(self, endpoint_names: set[str]) -> int:
        """How many steps failed. The names are those of the simulated devices."""
        device = self.step("The devices that are registered", lambda: self._list(endpoint_names))
        if device is None:
            self._say("The other steps need a registered device.")
            return self.failed
        self.step(f"Read the temperature of {device}", lambda: self._read(device))
        self.step("Switch the light on", lambda: self._write(device))
        self.step("Execute: reset the least and greatest temperature", lambda: self._execute(device))
        self.step("Subscribe, and see three notifications", lambda: self._subscribe(device))
        self.step("A wrong request explains itself", self._err)
        return self.failed

    def step(self, title: str, do: Callable[[], _T]) -> _T | None:
        """Do one step; None when it failed."""
        self._step += 1
        self._say(f"\n{self._step}. {title}")
        try:
            return do()
        except Failure as error:
            self.failed += 1
            self._say(f"   FAILED: {error}")
            return None

    # Steps

    def _list(self, endpoint_names: set[str]) -> str:
        answer = self._call(200, "GET", "/v3/devices?limit=1000&filter=state%3Dregistered&include=total_count")
        for device in answer["data"]:
            if device.get("endpoint_name") in endpoint_names:
                return str(device["id"])
        raise Failure("None of the simulated devices is among them.")

    def _read(self, device: str) -> None:
        value = self._ask(device, {"method": "GET", "uri": TEMPERATURE})
        self._say(f"   The payload is base64 for {value!r}: degrees Celsius.")

    def _write(self, device: str) -> None:
        on = base64.b64encode(b"1").decode()
        self._ask(device, {"method": "PUT", "uri": LIGHT, "content-type": "text/plain", "payload-b64": on})

    def _execute(self, device: str) -> None:
        self._ask(device, {"method": "POST", "uri": RESET})

    def _subscribe(self, device: str) -> None:
        path = f"/v2/subscriptions/{device}{TEMPERATURE}"
        answer = self._call((200, 202), "PUT", path)
        if isinstance(answer, dict) and "async-response-id" in answer:
            wanted = answer["async-response-id"]
            item = self._channel.take("async-responses", lambda item: bool(item.get("id") == wanted), ANSWER_SECONDS)
            if item.get("status") != 200:
                raise Failure(f"The device did not accept the subscription: {json.dumps(item)}")
        self._say(f"   $ {self._curl} '{self._url}{PULL}'")
        for _ in range(3):
            item = self._channel.take("notifications", lambda item: _is_from(item, device), NOTIFICATION_SECONDS)
            self._say(f"   notification: {_text_of(item)!r} from {item.get('path')}")
        self._call(204, "DELETE", path)

    def _err(self) -> None:
        answer = self._call(400, "GET", "/v3/devices?limit=1&order=SIDEWAYS")
        request_id = answer.get("request_id") if isinstance(answer, dict) else None
        if not request_id:
            raise Failure("The answer has no request_id.")
        self._say(f"   $ lamplighter explain {request_id} --data {self._data}")
        self._explain(request_id)

    # Requests

    def _ask(self, device: str, request: dict[str, str]) -> str:
        """Ask a device through the server; the payload of its answer as text."""
        async_id = f"demo-{secrets.token_hex(4)}"
        self._call(202, "POST", f"/v2/device-requests/{device}?async-id={async_id}", request)
        self._say(f"   $ {self._curl} '{self._url}{PULL}'")
        item = self._channel.take("async-responses", lambda item: bool(item.get("id") == async_id), ANSWER_SECONDS)
        self._show({"async-responses": [item]})
        if item.get("status") != 200:
            raise Failure(f"The answer of the device has the status {item.get('status')}, not 200.")
        return _text_of(item)

    def _call(self, expected: int | tuple[int, ...], method: str, path: str, body: Any = None) -> Any:
        """One request, shown with its answer. Raises Failure when the status is another than expected."""
        wanted = (expected,) if isinstance(expected, int) else expected
        parts = [self._curl]
        if method != "GET":
            parts.append(f"-X {method}")
        if body is not None:
            parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        self._say(f"   $ {' '.join(parts)} '{self._url}{path}'")
        status, answer = self._api.call(method, path, body)
        self._say(f"   {status}")
        if answer is not None:
            self._show(answer)
        if status not in wanted:
            raise Failure(f"The answer has the status {status}, not {' or '.join(map(str, wanted))}.")
        return answer

    def _show(self, answer: Any) -> None:
        for line in json.dumps(shortened(answer), indent=2, ensure_ascii=False).splitlines():
            self._say(f"   {line}")

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def shortened(value: Any, *, depth: int = 0) -> Any:
    """The same with long texts and lists cut, and members without a value left out below the first level."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + "..."
    if isinstance(value, list):
        shown = [shortened(item, depth=depth + 1) for item in value[:_MOST_ITEMS]]
        rest = len(value) - len(shown)
        return [*shown, f"... and {rest} more"] if rest else shown
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if depth == 0 or item not in (None, "", [], {})}
        return {name: shortened(item, depth=depth + 1) for name, item in kept.items()}
    return value


def _is_from(item: Item, device: str) -> bool:
    return item.get("ep") == device and item.get("path") == TEMPERATURE


def _text_of(item: Item) -> str:
    return base64.b64decode(item.get("payload") or "").decode(errors="replace")
