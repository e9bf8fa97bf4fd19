"""Structured logs: what is written, in which form, and what is never written."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from lamplighter.clock import to_rfc3339
from lamplighter.settings import Settings

_SECRETS = re.compile(
    r"(ak_[12]|rt_)[A-Za-z0-9+/_=-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END[^-]*-----", re.DOTALL
)
_SECRET_NAMES = frozenset({"password", "secret", "secret_hex", "key", "token", "authorization", "private_key", "psk"})


def configure(settings: Settings) -> None:
    """Set up logging for the process: JSON lines, or colours on a terminal. Everything goes to standard error."""
    console = settings.log.format == "console" or (settings.log.format == "auto" and sys.stderr.isatty())
    level = getattr(logging, settings.log.level.upper())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        add_timestamp,
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else as_json
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log by the standard library; only what is serious is of interest.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("lamplighter").setLevel(level)  # the parts of ours that know no structlog
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def add_timestamp(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """When it happened, as the API writes times."""
    event["timestamp"] = to_rfc3339(time.time_ns() // 1000)
    return event


_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def as_json(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    """The line: JSON in ASCII, so that no character of a stranger's moves a terminal's cursor. An error answered is a line,
    and the standard library's encoder takes four times as long for one."""
    try:
        line = _ENCODER.encode(event)
        if line.isascii():
            return line.decode()
    except (TypeError, ValueError, OverflowError):
        pass  # half a surrogate pair, a key that is no text, a number of more than 64 bits
    return json.dumps(event, default=repr, skipkeys=True, separators=(",", ":"))


def hide_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last guard: whatever slipped into a log line, keys and tokens do not leave."""
    for name, value in event.items():
        if name in _SECRET_NAMES:
            event[name] = "[hidden]"
        elif isinstance(value, str) and ("ak_" in value or "rt_" in value or "PRIVATE KEY" in value):
            event[name] = _SECRETS.sub("[hidden]", value)
    return event
