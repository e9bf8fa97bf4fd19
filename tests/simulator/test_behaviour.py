from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.numbers import Code
from lamplighter.lwm2m import management
from lamplighter.lwm2m.server import RequestRefused, UpdateRequested
from lamplighter.simulator.behaviour import Behaviour, BehaviourUnknown, Plan, behaviours_of, parse_behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.events import AddressLost, Restarted
from lamplighter.simulator.mischief import Mischief
from lamplighter.simulator.profile import Profile
from tests.simulator.town import Town


def behaving(text: str, profile: Profile = Profile.LWM2M_1_0, seed: int = 7, awake: float | None = None) -> Town:
    """A town with one registered lamp that does this."""
    place = Town()
    behaviours = parse_behaviours([text])
    place.add(
        Device("lamp-1", place.now, seed=seed, profile=profile, behaviours=behaviours, lifetime=86400, awake=awake)
    )
    place.settle()
    return place


def test_behaviours_are_read_with_and_without_a_measure() -> None:
    assert parse_behaviours(["sleep, loss=0.2", "reboot=60", "loss=0.1"]) == {
        Behaviour.SLEEP: Behaviour.SLEEP.default,
        Behaviour.LOSS: 0.1,
        Behaviour.REBOOT: 60.0,
    }
    assert behaviours_of({"sleep": True, "loss": 0.2, "slow": False}) == parse_behaviours(["sleep,loss=0.2"])


@pytest.mark.parametrize("text", ["dance", "loss=2", "loss=0", "reboot=-1", "reboot=nan", "reboot=soon", "slow="])
def test_what_nobody_can_do_is_refused(text: str) -> None:
    with pytest.raises(BehaviourUnknown, match=text.partition("=")[0]):
        parse_behaviours([text])


def test_every_behaviour_says_what_it_means() -> None:
    assert all(each.meaning and 0 < each.default for each in Behaviour)


def test_the_device_guide_has_every_profile_and_behaviour_with_its_usual_measure() -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "devices.md").read_text()
    for profile in Profile:
        assert f"| `{profile}` |" in guide
    for behaviour in Behaviour:
        measure = f"{behaviour.default:g}" if behaviour.is_part else f"{behaviour.default:g} s"
        assert f"| `{behaviour}` | {measure}" in guide


def moments(text: str, seed: str = "1/1") -> list[tuple[float, Behaviour]]:
    plan = Plan(parse_behaviours([text]), seed, 0.0)
    found = []
    while (when := plan.due()) is not None and when < 10_000:
        found += [(when, each) for each in plan.take_due(when)]
    return found


def test_the_seed_decides_when_and_one_behaviour_does_not_move_another() -> None:
    both = moments("reboot=100,rebind=100")
    assert both == moments("reboot=100,rebind=100") != moments("reboot=100,rebind=100", "1/2")
    assert [each for each in both if each[1] is Behaviour.REBIND] == moments("rebind=100")
    assert 50 < len(moments("rebind=100")) < 150


@pytest.mark.parametrize(("profile", "awake"), [(Profile.LWM2M_1_0, None), (Profile.LWM2M_1_0, 10.0)])
def test_a_sleeping_device_is_deaf_after_a_while_of_silence_and_wakes_by_an_update(
    profile: Profile, awake: float | None
) -> None:
    place = behaving("sleep=300", profile, awake=awake)
    silence = awake or 93.0  # MAX_TRANSMIT_WAIT
    assert place.registrations[0].binding == "UQ" and place.registrations[0].queue_mode
    place.run(silence - 1)
    assert place.ask(management.read("/3/0/2")).payload == b"00000001"
    place.run(silence - 1)
    assert place.ask(management.read("/3/0/2")).payload == b"00000001"
    place.run(silence + 1)
    exchange = place.endpoint.request(0, management.read("/3/0/1"), place.now)
    place.settle()
    assert place.responses == {} and place.devices[0].unheard == 1
    place.endpoint.abandon(exchange, place.now)
    while not place.questions(UpdateRequested):
        place.run(1)
    assert 1270 <= place.now <= 1331
    assert place.ask(management.read("/3/0/2")).payload == b"00000001"


def test_queue_mode_of_1_1_is_a_parameter_beside_the_binding() -> None:
    registration = behaving("sleep", Profile.LWM2M_1_1).registrations[0]
    assert registration.binding == "U" and registration.queue_mode


def test_a_device_behind_a_nat_loses_its_address_now_and_then() -> None:
    place = behaving("rebind=100")
    place.run(2000)
    assert 10 < len(place.of(AddressLost)) < 35 and len(place.registrations) == 1


def test_a_device_that_reboots_by_itself_registers_again_each_time() -> None:
    place = behaving("reboot=100")
    place.run(2000)
    assert 10 < len(place.of(Restarted)) < 35


def test_a_slow_device_acknowledges_first_and_answers_later() -> None:
    place = behaving("slow=20")
    exchange = place.endpoint.request(0, management.read("/3/0/2"), place.now)
    place.settle()
    assert exchange not in place.responses and exchange.acknowledged
    place.run(60)
    assert place.responses[exchange].payload == b"00000001" and exchange.retransmissions == 0


def test_a_device_that_misbehaves_is_answered_and_stays_registered() -> None:
    place = behaving("misbehave=10")
    place.run(3000)
    assert place.questions(RequestRefused)
    assert sum(place.endpoint.refusals.counts.values()) > 100
    assert len(place.registrations) == 1
    assert place.ask(management.read("/3/0/2")).payload == b"00000001"


def test_no_mischief_brings_an_endpoint_down() -> None:
    endpoint, mischief = Endpoint(Random(1)), Mischief(Draws("2"))
    for number in range(3000):
        endpoint.receive_datagram(mischief.draw(), "device", float(number))
        endpoint.handle_timer(float(number))
        endpoint.datagrams_to_send(float(number))
    assert sum(endpoint.refusals.counts.values()) > 1000


def results(text: str) -> set[bytes]:
    """How firmware updates end, of many devices."""
    found = set()
    for seed in range(20):
        place = behaving(text, seed=seed)
        place.images["http://lamps.example.com/image"] = b"firmware"
        place.ask(management.write("/5/0/1", b"http://lamps.example.com/image", None))
        place.run(15)
        if place.ask(management.read("/5/0/3")).payload == b"2":
            assert place.ask(management.execute("/5/0/2")).code == Code.CHANGED
            place.run(20)
        found.add(place.ask(management.read("/5/0/5")).payload)
    return found


def test_firmware_updates_fail_in_several_ways_when_told_so_and_never_otherwise() -> None:
    assert results("rebind") == {b"1"}
    assert results("firmware=0.7") == {b"1", b"2", b"4", b"5", b"8"}
    assert [results(each) for each in ("bad-image=1", "no-memory=1", "lost-image=1", "rollback=1")] == [
        {b"5"}, {b"2"}, {b"4"}, {b"8"}
    ]  # fmt: skip


def test_a_run_with_everything_repeats_to_the_byte() -> None:
    text = "sleep=120,rebind=50,slow=1,reboot=200,misbehave=30,firmware"

    def run() -> list[tuple[float, int, bytes]]:
        place = behaving(text, Profile.LWM2M_1_1)
        place.endpoint.request(0, management.observe("/3303/0/5700"), place.now)
        place.run(600)
        return place.datagrams

    first = run()
    assert len(first) > 30 and run() == first
