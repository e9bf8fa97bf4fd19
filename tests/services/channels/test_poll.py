"""The long-poll channel over a real server: implicit, shared by all open polls, and safe when a client vanishes."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from lamplighter.services.access.events import REVOKED, happened
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.poll import Poll
from lamplighter.services.channels.store import Channel, Store
from lamplighter.storage.database import Database
from tests.api.toy import ADMIN
from tests.contract import check
from tests.services.channels.served import (
    OTHER_APP,
    PULL,
    SECOND_KEY,
    SOCKET,
    Served,
    finished,
    notified,
    registered,
    serving,
    until,
)


def polls(served: Served) -> list[Poll]:
    return [*served.channels.polls._open]


async def held(served: Served, number: int = 1) -> None:
    """Until that many polls are open."""
    await until(lambda: len(polls(served)) == number)


def start(served: Served, key: str = ADMIN) -> asyncio.Task[httpx2.Response]:
    return asyncio.create_task(served.call("GET", PULL, key))


async def test_the_first_poll_makes_the_channel_and_a_quiet_one_ends_with_204(database: Database) -> None:
    async with serving(database, long_poll=0.05) as served:
        answer = await served.call("GET", PULL)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await served.call("GET", "/v2/notification/channel")).json() == {"delivery_mechanism": "LONG_POLLING"}
        refused = await served.registered()
        assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
        assert "DELETE /v2/notification/pull" in refused.json()["message"]
        assert (await served.call("GET", SOCKET)).status_code == 404
        assert (await served.call("DELETE", SOCKET)).status_code == 404


async def test_a_held_poll_is_answered_when_something_happens(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        poll = start(served)
        await held(served)
        await served.happen(registered(account="f" * 32), notified(1, subjects=("elsewhere",)), notified(2))
        answer = await poll
        assert answer.status_code == 200
        check("longPollNotifications", 200, answer.json())
        assert [each["path"] for each in answer.json()["notifications"]] == ["/3303/0/2"]


async def test_what_happens_between_two_polls_waits_and_comes_once_and_in_order(database: Database) -> None:
    async with serving(database) as served:
        poll = start(served)
        await held(served)
        await served.happen(notified(0))
        found = (await poll).json()["notifications"]
        for number in range(1, 30, 3):
            await served.happen(*(notified(each) for each in range(number, number + 3)))
            found += (await served.call("GET", PULL)).json()["notifications"]
        assert [each["path"] for each in found] == [f"/3303/0/{number}" for number in range(31)]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_poll_that_comes_while_the_cursor_is_written_is_told_nothing_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, advance = Store.get, Store.advance
    writing, written = asyncio.Event(), asyncio.Event()

    async def late_write(store: Store, channel: Channel, cursor: Place, losses: str | None) -> None:
        await writing.wait()
        await advance(store, channel, cursor, losses)
        written.set()

    async def late_read(store: Store, account_id: str, subject_id: str, name: str = "") -> Channel | None:
        channel = await get(store, account_id, subject_id, name)
        writing.set()
        await written.wait()
        await asyncio.gather(*served.channels.polls._tasks)
        return channel

    async with serving(database, long_poll=0.05) as served:
        await served.call("GET", PULL)
        await served.happen(notified(1))
        monkeypatch.setattr(Store, "advance", late_write)
        assert (await served.call("GET", PULL)).status_code == 200
        monkeypatch.setattr(Store, "get", late_read)
        assert (await served.call("GET", PULL)).status_code == 204


async def test_a_message_of_a_poll_has_one_kind_and_the_next_poll_the_next(database: Database) -> None:
    async with serving(database) as served:
        poll = start(served)
        await held(served)
        await served.happen(registered(), notified(1), finished("a"), finished("b"))
        answers = [(await poll).json(), *[(await served.call("GET", PULL)).json() for _ in range(2)]]
        assert [(list(each)[0], len(list(each.values())[0])) for each in answers] == [
            ("registrations", 1),
            ("notifications", 1),
            ("async-responses", 2),
        ]


async def test_every_open_poll_of_the_subject_gets_every_event(database: Database) -> None:
    async with serving(database) as served:
        tasks = [start(served, key) for key in (ADMIN, ADMIN, SECOND_KEY, SECOND_KEY)]
        other = start(served, OTHER_APP)
        await held(served, 5)
        await served.happen(notified(1))
        answers = await asyncio.gather(*tasks)
        assert [each.json()["notifications"][0]["path"] for each in answers] == ["/3303/0/1"] * 4
        assert not other.done()
        await served.happen(registered())
        assert (await other).json()["registrations"]
        assert (await served.call("GET", PULL)).json()["registrations"]


async def test_deleting_ends_open_polls_with_410_and_no_later_one(database: Database) -> None:
    async with serving(database, look=60.0, long_poll=1.0) as served:
        open_polls = [start(served), start(served, SECOND_KEY)]
        await held(served, 2)
        removed = await served.call("DELETE", PULL)
        assert (removed.status_code, removed.text) == (200, "REMOVED")
        assert removed.headers["content-type"].startswith("text/plain")
        for answer in await asyncio.gather(*open_polls):
            assert (answer.status_code, answer.text) == (410, "CHANNEL_DELETED")
        again = await served.call("DELETE", PULL)
        assert (again.status_code, again.text) == (200, "ALREADY_DELETED")
        poll = start(served)
        await held(served)
        await served.happen(notified(1))
        assert (await poll).status_code == 200


async def test_after_deleting_a_websocket_channel_may_be_registered(database: Database) -> None:
    async with serving(database, long_poll=0.05) as served:
        await served.call("GET", PULL)
        await served.call("DELETE", PULL)
        assert (await served.registered()).status_code == 201
        assert (await served.call("DELETE", PULL)).text == "ALREADY_DELETED"


async def test_a_client_that_vanished_swallows_nothing(database: Database) -> None:
    async with serving(database) as served:
        for number in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(f"GET {PULL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode())
            await held(served)
            writer.close()
            await writer.wait_closed()
            if number % 2:
                await held(served, 0)
            await served.happen(notified(number))
            await held(served, 0)
            found = (await served.call("GET", PULL)).json()["notifications"]
            assert [each["path"] for each in found] == [f"/3303/0/{number}"]


async def test_a_server_that_stops_ends_polls_with_204(database: Database) -> None:
    async with serving(database) as served:
        poll = start(served)
        await held(served)
        await served.close()
        assert (await poll).status_code == 204


async def test_a_revoked_key_does_not_keep_its_poll(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        poll = start(served)
        await held(served)
        account = served.callers.known.pop(ADMIN).account_id
        served.bus.publish("access.revoked", account.encode())
        assert (await poll).status_code == 204
        assert (await served.call("GET", PULL)).status_code == 401


@pytest.mark.parametrize("path", [PULL, PULL + "/"])
@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_both_forms_of_the_path_are_served(database: Database, path: str) -> None:
    async with serving(database, long_poll=0.01) as served:
        assert (await served.call("GET", path)).status_code == 204


async def test_the_log_tells_of_a_revocation_whose_word_was_lost(database: Database) -> None:
    """A poll comes back with its key, and the kernel's authenticator forgets what it knows of the account."""
    forgotten: list[bytes] = []
    async with serving(database, look=0.02) as served:
        await served.bus.subscribe(REVOKED, forgotten.append)
        poll = start(served)
        await held(served)
        account_id = served.callers.known[ADMIN].account_id
        await served.happen(happened("AccessKeyDeleted", account_id, "0" * 32, 1))
        assert (await poll).status_code == 204
    assert forgotten == [account_id.encode()]
