"""Forms with files: what clients send is read, and what is no form is refused."""

from __future__ import annotations

import pytest

from lamplighter.api.form import FORM, LARGE, parse, read
from lamplighter.api.openapi import describe
from lamplighter.api.operation import Call, Operations
from lamplighter.errors import FieldFault
from lamplighter.errors.requests import MalformedForm

TYPE = 'multipart/form-data; boundary="b"'


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (form(part("file", b"x,y\r\nz", '; filename="a.csv"\r\nContent-Type: text/csv')), {"file": b"x,y\r\nz"}),
        (form(part("file", b"")), {"file": b""}),
        (form(part("file", b"--b"), part("note", b"n")), {"file": b"--b", "note": b"n"}),
        (form(part("file", b"1"), part("file", b"2")), {"file": b"1"}),
        (form(part("file", bytes(range(256)))), {"file": bytes(range(256))}),
    ],
)
def test_the_parts_of_a_form_are_found_by_name(body: bytes, found: dict[str, bytes]) -> None:
    assert parse(body, TYPE) == found


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(part("file", b"x")), None),
        (form(part("file", b"x")), "multipart/form-data"),
        (form(part("file", b"x")), "multipart/form-data; boundary=c"),
        (form(part("file", b"x")), "text/csv; boundary=b"),
        (form(part("file", b"x"), end=b""), TYPE),
        (form(part("file", b"x"))[:30], TYPE),
        (form(b"no header\r\n\r\nx"), TYPE),
        (form(*[part(f"n{number}", b"x") for number in range(40)]), TYPE),
        (b"x" * 100, TYPE),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str | None) -> None:
    with pytest.raises(MalformedForm):
        parse(body, content_type)


async def test_each_file_that_is_missing_is_a_fault() -> None:
    faults: list[FieldFault] = []
    assert await read(form(part("one", b"1")), TYPE, ("one", "two"), faults) == {"one": b"1"}
    assert faults == [FieldFault("two", "is required as a file of the form")]
    faults.clear()
    assert await read(b"", None, ("one",), faults) == {}
    assert len(faults) == 1


async def test_a_large_file_is_read_whole() -> None:
    content = b"0123456789abcdef\r\n" * (LARGE // 8)
    faults: list[FieldFault] = []
    assert await read(form(part("file", content)), TYPE, ("file",), faults) == {"file": content}
    assert faults == []


def test_a_form_is_described_with_its_files() -> None:
    operations = Operations("Letters")

    @operations.add(
        "POST", "/v3/letters", "sendLetter", permission="x", body=bytes, form=("letter",), media_types=(FORM,)
    )
    async def send_letter(service: None, call: Call) -> None:
        """Send a letter."""

    described = describe([each.operation for each in operations.bind(None)], "https://lamps.test")
    body = described["paths"]["/v3/letters"]["post"]["requestBody"]
    file = {"type": "string", "format": "binary"}
    schema = {"type": "object", "properties": {"letter": file}, "required": ["letter"]}
    assert body == {"required": True, "content": {FORM: {"schema": schema}}}
