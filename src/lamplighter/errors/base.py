"""What an error is: a family (status and public type) and a member (one thing that can go wrong).

::

    Error
    ├── BadRequest …            families: one class for each status and type (families.py)
    │   ├── MalformedJson …     members: one class for each thing that can go wrong, in the file of its area

A member is raised; everything that shows it (answer, docs, OpenAPI, CLI) is made from the class.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple


class FieldFault(NamedTuple):
    """One faulty parameter: where it was (``name``, ``body`` for the whole body) and what is wrong with it."""

    name: str
    message: str


class Error(Exception):
    """The root of the catalogue.

    A member sets ``message``, ``cause`` and ``remedy``; they are templates for the facts it is raised with. The public
    message is ``message`` followed by ``remedy``, so that it always ends with what to do.

    :param fields: every faulty parameter, all at once
    :param details: what the server knows and the answer does not say; kept for ``explain``, for administrators
    :param retry_after: seconds after which the same request may succeed
    :param headers: extra headers of the answer
    :param word: the /v2 word of this one case, where it differs from the member's
    :param facts: values for the templates
    """

    status: ClassVar[int]
    type: ClassVar[str]
    name: ClassVar[str]
    """kebab-case of the class name: the anchor in the docs and the word for ``lamplighter explain``."""
    message: ClassVar[str]
    cause: ClassVar[str]
    remedy: ClassVar[str]
    word: ClassVar[str | None] = None
    """The plain-text body that /v2 operations answer (reference: the public contract)."""
    coap: ClassVar[str | None] = None
    """The CoAP code that a device gets, written "4.04"."""

    families: ClassVar[dict[tuple[int, str], builtins.type[Error]]] = {}
    members: ClassVar[dict[str, builtins.type[Error]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" in cls.__dict__:
            if (cls.status, cls.type) in Error.families:
                raise TypeError(f"the error family {cls.status} {cls.type} exists twice")
            Error.families[cls.status, cls.type] = cls
            return
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
        if cls.name in Error.members:
            raise TypeError(f"the error {cls.name} exists twice")
        for part in ("message", "cause", "remedy", "__doc__"):
            if not cls.__dict__.get(part):
                raise TypeError(f"the error {cls.__name__} has no {part}")
        Error.members[cls.name] = cls

    def __init__(
        self,
        *,
        fields: Iterable[FieldFault] = (),
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        word: str | None = None,
        **facts: Any,
    ) -> None:
        self.plain_word = word or self.word
        self.fields = list(fields)
        self.details = dict(details or {})
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        if retry_after is not None:
            facts["retry_after"] = retry_after
        self.facts = facts
        self.text = self.message.format_map(facts)
        self.advice = self.remedy.format_map(facts)
        super().__init__(self.public_message)

    @property
    def public_message(self) -> str:
        return f"{self.text} {self.advice}"


def family_of(member: type[Error]) -> type[Error]:
    """The family a member belongs to."""
    return Error.families[member.status, member.type]


class _Placeholder(str):
    """A fact that is not known: shown by its name, whatever the template's format asks for."""

    def __format__(self, spec: str) -> str:
        return "<" + self + ">"


class _Placeholders(dict[str, Any]):
    def __missing__(self, key: str) -> _Placeholder:
        return _Placeholder(key)


def example(member: type[Error]) -> Error:
    """The error with the names of its facts in their places: for the docs, and for provoking it on purpose."""
    error = member.__new__(member)
    Exception.__init__(error)
    error.fields, error.details, error.retry_after, error.headers = [], {}, None, {}
    error.plain_word, error.facts = member.word, {}
    error.text = member.message.format_map(_Placeholders())
    error.advice = member.remedy.format_map(_Placeholders())
    return error


def find(name: str) -> list[type[Error]]:
    """The members that a word means: a member's own name, a public type, or a status."""
    if name in Error.members:
        return [Error.members[name]]
    return [
        member for _, member in sorted(Error.members.items()) if name in (member.type, str(member.status), member.word)
    ]
