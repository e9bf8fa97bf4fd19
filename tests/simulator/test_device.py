from __future__ import annotations

from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import Values
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.device import Device
from lamplighter.simulator.lamp import Lamp
from tests.simulator.town import Town


def life(seed: int, index: int = 1) -> list[tuple[float, bytes, bytes]]:
    """Everything an observed device sends in ten minutes."""
    place = Town()
    place.add(Device("lamp", place.now, seed=seed, index=index))
    place.settle()
    for path in ("/3303/0/5700", "/3200/0", "/3347/0"):
        place.observe(management.observe(path))
    place.run(600)
    return [(when, message.encode(), message.payload) for when, _, message in place.notifications]


def test_the_same_seed_and_index_repeat_a_run_to_the_byte() -> None:
    first = life(3)
    assert len(first) > 100
    assert life(3) == first


def test_another_seed_or_index_is_another_life() -> None:
    lives = [life(3), life(4), life(3, 2)]
    assert len({tuple(payload for _, _, payload in one) for one in lives}) == 3


def readings(moments: list[float]) -> Values:
    lamp = Lamp("1", "7/1", 0.0, version="1.1", lifetime=60, epoch=0.0, behaviours={})
    for moment in moments:
        for instance in lamp.tree.everything():
            instance.advance(moment)
    return lamp.tree.read(Path(3303)) + lamp.tree.read(Path(3200)) + lamp.tree.read(Path(3347))


def test_what_a_lamp_measures_does_not_depend_on_when_it_is_looked_at() -> None:
    assert readings([3600.0]) == readings([float(second) for second in range(0, 3601, 7)] + [3600.0])


def test_a_lamp_nobody_looked_at_for_a_year_answers_without_a_year_of_steps() -> None:
    assert readings([365 * 86400.0]) != readings([1.0])


def test_temperature_stays_near_its_mean_and_inside_its_extremes() -> None:
    lamp = Lamp("1", "7/1", 0.0, version="1.1", lifetime=60, epoch=0.0, behaviours={})
    for second in range(0, 86400, 5):
        for instance in lamp.tree.instances(Path(3303)):
            instance.advance(float(second))
        shown = {path.resource: value for path, value in lamp.tree.read(Path(3303))}
        least, most, value = shown[5601], shown[5602], shown[5700]
        assert isinstance(least, float) and isinstance(most, float) and isinstance(value, float)
        assert 10.0 < least <= value <= most < 32.0


def test_a_thousand_devices_register_and_answer_in_one_process() -> None:
    place = Town()
    for index in range(1, 1001):
        place.add(Device(f"lamp-{index:05}", place.now, seed=1, index=index), start=False)
    for device in place.devices:
        device.start(place.now)
    place.settle()
    assert len(place.registrations) == 1000
    assert {registration.endpoint_name for registration in place.registrations.values()} == {
        f"lamp-{index:05}" for index in range(1, 1001)
    }
    assert place.ask(management.read("/3/0/2"), 999).payload == b"00001000"
    for device in place.devices:
        device.stop(place.now)
    place.settle()
    assert place.registrations == {}
