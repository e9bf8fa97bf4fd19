"""A long list is read in steps, between which other devices are served."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.link import LinkFormatError, link_steps, parse_links
from lamplighter.lwm2m.registration import registration_steps, split_links, split_steps, update_steps
from lamplighter.lwm2m.steps import STEP, Steps, finish

LINKS = 11_000
PAYLOAD = ",".join(f'</d/node-{number // 11}/3303/{number % 11}/5700>;obs;v="21.5"' for number in range(LINKS)).encode()


def pauses(steps: Steps[object]) -> int:
    return sum(1 for _ in steps)


def test_no_step_reads_more_links_than_allowed() -> None:
    assert pauses(link_steps(PAYLOAD)) == LINKS // STEP - (0 if LINKS % STEP else 1)
    assert pauses(split_steps(parse_links(PAYLOAD))) == LINKS // STEP


def test_a_short_list_is_read_at_once() -> None:
    assert pauses(link_steps(b"</1/0>,</3/0>")) == 0
    assert pauses(split_steps(parse_links(b"</1/0>,</d/lamp/3/0>"))) == 0


def test_registration_and_update_pause_with_their_links() -> None:
    message = Message(Code.POST, payload=PAYLOAD).add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)
    message.add(Option.URI_QUERY, "ep=gateway")
    assert pauses(registration_steps(message)) == pauses(update_steps(message)) == pauses(link_steps(PAYLOAD))


def test_what_comes_in_steps_is_what_comes_at_once() -> None:
    links = finish(link_steps(PAYLOAD))
    assert links == parse_links(PAYLOAD) and len(links) == LINKS
    own, behind = finish(split_steps(links))
    assert (own, behind) == split_links(links) and len(behind) == LINKS // 11


def test_a_fault_behind_many_good_links_is_found() -> None:
    with pytest.raises(LinkFormatError):
        pauses(link_steps(PAYLOAD + b",x"))
