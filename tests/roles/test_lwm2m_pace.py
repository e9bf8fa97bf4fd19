"""A device that registers in a loop is put off, and only that one."""

from __future__ import annotations

import pytest

from lamplighter.coap.numbers import Code
from lamplighter.roles import pace
from lamplighter.roles.pace import BLOCK, PERIOD, REGISTRATIONS, RegistrationPace
from tests.roles.lwm2m_serving import Serving


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_device_that_registers_in_a_loop_is_told_to_wait_a_minute(serving: Serving) -> None:
    device = serving.plain_device()
    for _ in range(REGISTRATIONS):
        assert (await device.register("looping-device")).code == Code.CREATED
    answer = await device.register("looping-device")
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, round(BLOCK))
    assert len(await serving.deliveries("registrations")) == REGISTRATIONS
    assert (await serving.plain_device().register("another-device")).code == Code.CREATED


def test_a_block_lasts_its_time_and_ends() -> None:
    paced = RegistrationPace()
    assert [paced.wait("a", 0.0) for _ in range(REGISTRATIONS + 2)] == [0] * REGISTRATIONS + [round(BLOCK)] * 2
    assert paced.wait("a", BLOCK - 1) == 1
    assert paced.wait("a", BLOCK) == 0


def test_a_device_that_registers_now_and_then_is_never_put_off() -> None:
    paced = RegistrationPace()
    assert not any(paced.wait("a", number * PERIOD / REGISTRATIONS) for number in range(100))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "REMEMBERED", 3)
    paced = RegistrationPace()
    for number in range(100):
        paced.wait(str(number), 0.0)
    assert len(paced._seen) == 3
