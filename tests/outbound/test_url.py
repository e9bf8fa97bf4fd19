"""URLs that requests of ours go to."""

from __future__ import annotations

import pytest

from lamplighter.outbound.url import Target, target_of


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://lamps.example", Target("https", "lamps.example", 443, "/")),
        ("HTTP://Lamps.Example:8080/a%20b?c=d&e", Target("http", "lamps.example", 8080, "/a%20b?c=d&e")),
        ("https://192.0.2.1/x", Target("https", "192.0.2.1", 443, "/x")),
        ("https://[2001:db8::1]:444/x", Target("https", "2001:db8::1", 444, "/x")),
        ("https://lamps.example?a=b", Target("https", "lamps.example", 443, "/?a=b")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "printable"),
        ("lamps.example/hook", "https"),
        ("ftp://lamps.example", "https"),
        ("file:///etc/passwd", "https"),
        ("gopher://lamps.example:25/", "https"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://user:secret@lamps.example/", "header"),
        ("https://lamps.example@127.0.0.1/", "header"),
        ("https://lamps.example\\@127.0.0.1/", "printable"),
        ("https://lamps.example/\r\nX: y", "printable"),
        ("https://lamps.example/a b", "printable"),
        ("https://lämps.example/", "printable"),
        ("https://lamps.example/#part", "fragment"),
        ("https://lamps.example/#", "fragment"),
        ("https://lamps.example:0/", "port"),
        ("https://lamps.example:65536/", "port"),
        ("https://lamps.example:x/", "port"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://[::1", "host"),
        ("https://[lamps]/", "host"),
        ("https://::1/", "port"),
        ("https://lamps].example/", "host"),
        ("https://127.0.0.1%2f.example/", "host"),
    ],
)
def test_what_is_no_url_of_a_server_says_why(url: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        target_of(url)
