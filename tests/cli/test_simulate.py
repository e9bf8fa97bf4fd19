from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from lamplighter.cli.fail import Failure
from lamplighter.cli.simulate import Progress, Wanted, certificates, conduct_of, device_address, simulate, store_keys
from lamplighter.roles.fleet import Behaviour, Conduct, Profile, Summary, Transport, credentials

DEVICES = credentials("ak_test", 0, 3)


class Api:
    """Keeps keys as the server does. ``answers`` come first, one a call of POST."""

    host = "lamps.example"

    def __init__(self, answers: list[tuple[int, Any]] | None = None, url: str = "coaps://inside:15684") -> None:
        self.answers = answers or []
        self.url = url
        self.keys: dict[str, str] = {}
        self.posts = 0

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if path == "/v3/server-credentials":
            return 200, {"lwm2m": {"url": self.url}, "bootstrap": {"url": "coaps://inside:15784?aid=1"}}
        if method == "GET":
            names = sorted(self.keys)
            first = "after=" not in path
            page = names[:1] if first else names[1:]
            more = first and len(names) > 1
            return 200, {
                "data": [{"endpoint_name": name} for name in page],
                "has_more": more,
                "continuation_marker": "m" if more else None,
            }
        self.posts += 1
        if self.answers:
            return self.answers.pop(0)
        self.keys[body["endpoint_name"]] = body["secret_hex"]
        return 201, None


def test_names_and_keys_are_the_same_again_for_the_same_installation_and_seed() -> None:
    assert credentials("ak_test", 0, 2) == DEVICES[:2]
    others = [*credentials("ak_other", 0, 3), *credentials("ak_test", 1, 3)]
    assert not {device.endpoint_name for device in others} & {device.endpoint_name for device in DEVICES}
    assert len({device.key for device in [*others, *DEVICES]}) == 9
    assert all(len(device.key) == 32 and 16 <= len(device.endpoint_name) <= 64 for device in DEVICES)
    assert DEVICES[0].endpoint_name.startswith("lamplighter-sim-") and DEVICES[0].endpoint_name.endswith("-00001")


def test_keys_are_stored_once() -> None:
    api = Api()
    store_keys(api, DEVICES)
    assert api.keys == {device.endpoint_name: device.key.hex() for device in DEVICES}
    store_keys(api, DEVICES)
    assert api.posts == 3


def test_a_key_that_somebody_stored_meanwhile_is_fine() -> None:
    store_keys(Api([(409, "KEY_ALREADY_EXISTS_FOR_ENDPOINT")]), DEVICES[:1])


def test_a_refused_key_is_told_with_the_request_id() -> None:
    error = {"type": "access_denied", "message": "No.", "request_id": "r1"}
    with pytest.raises(Failure, match=r"00001: 403 access_denied: No\. \(request_id r1\)"):
        store_keys(Api([(403, error)]), DEVICES[:1])


def test_devices_connect_to_this_machine_unless_a_host_is_given() -> None:
    assert device_address(Api(), None) == ("127.0.0.1", 15684)
    assert device_address(Api(), "lamps.example") == ("lamps.example", 15684)
    assert device_address(Api(url="coaps://inside"), None) == ("127.0.0.1", 5684)
    assert device_address(Api(), None, Conduct(bootstraps=True)) == ("127.0.0.1", 15784)
    assert device_address(Api(), None, Conduct(transport=Transport.UDP)) == ("127.0.0.1", 5683)
    assert device_address(Api(), None, Conduct(transport=Transport.TCP, bootstraps=True)) == ("127.0.0.1", 5783)


@pytest.mark.parametrize("devices", [0, 100_000])
def test_a_number_of_devices_that_cannot_be_is_refused(devices: int, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="from 1 to 99999"):
        simulate(devices, tmp_path, None, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"first": 0}, "--first is a number"),
        ({"behaviour": ("dance",)}, "'dance' is not one of sleep"),
        ({"behaviour": ("loss=2",)}, "loss=2 is not a part"),
        ({"profile": "lwm2m-9"}, "--profile is one of lwm2m-1.0, lwm2m-1.1, vendor, gateway"),
        ({"lifetime": 0}, "--lifetime is a number of seconds"),
        ({"rate": 0.0}, "--rate is a number of devices"),
        ({"transport": "tls", "profile": "lwm2m-1.0"}, "--transport tls does not go with --profile lwm2m-1.0"),
        ({"transport": "udp", "profile": "vendor"}, "with security only: dtls or tls"),
        ({"transport": "tls", "behaviour": ("loss",)}, "nothing is seen over tls"),
        ({"behaviour": ("sleep=60",)}, "With sleep=60 no device ever sleeps: it listens for 93 s"),
        ({"awake": 0.0}, "--awake is a number of seconds"),
        ({"ping": -1.0}, "--ping is a number of seconds, from 0"),
        ({"script": Path("nowhere.toml")}, "nowhere.toml cannot be read"),
    ],
)
def test_options_that_cannot_be_are_told(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=said):
        simulate(1, tmp_path, None, 0, **options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile = 'x'", "--profile is one of"),
        ("[behaviours]\nsleep = 'long'", "sleep=long is not a number of seconds"),
        ("speed = 3", "speed is not one of profile"),
        ("lifetime = 'long'", "--lifetime is a number"),
        ("transport = 'pigeon'", "--transport is one of dtls, tls, udp, tcp"),
        ("profile =", "is not TOML"),
    ],
)
def test_a_script_that_cannot_be_followed_is_told(text: str, said: str, tmp_path: Path) -> None:
    script = tmp_path / "fleet.toml"
    script.write_text(text)
    with pytest.raises(Failure, match=said):
        simulate(1, tmp_path, None, 0, script=script)


def test_a_script_says_what_options_leave_open(tmp_path: Path) -> None:
    script = tmp_path / "fleet.toml"
    script.write_text(
        "profile = 'lwm2m-1.0'\nlifetime = 60\nrate = 5\nawake = 20\n[behaviours]\nsleep = true\nloss = 0.2\n"
    )
    conduct = conduct_of(Wanted(7, behaviour=("loss=0.1",), rate=9.0), script)
    assert conduct.behaviours == {Behaviour.SLEEP: Behaviour.SLEEP.default, Behaviour.LOSS: 0.1}
    assert (conduct.profile, conduct.first, conduct.lifetime, conduct.starts_per_second) == (
        Profile.LWM2M_1_0, 7, 60, 9.0
    )  # fmt: skip
    assert (conduct.awake, conduct.transport, conduct.bootstraps) == (20, Transport.DTLS, False)


def test_clients_of_the_vendor_always_come_by_the_bootstrap_server() -> None:
    assert conduct_of(Wanted(profile="vendor", transport="tls"), None).bootstraps


def test_a_developer_certificate_is_for_a_hundred_devices() -> None:
    assert [certificates(devices) for devices in (1, 100, 101, 5000)] == [1, 1, 2, 50]


def test_devices_numbered_from_elsewhere_are_others_of_the_same_run() -> None:
    assert credentials("ak_test", 0, 2, first=2) == DEVICES[1:]


def test_a_folder_without_an_administrators_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="admin-key does not exist"):
        simulate(1, tmp_path, None, 0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def summary(registered: int, answered: int = 0) -> Summary:
    return Summary(3, registered, registered, (), answered, 0)


def test_a_log_gets_a_line_only_when_something_important_changes() -> None:
    out = io.StringIO()
    show = Progress(out)
    for one in (summary(1), summary(1, 5), summary(3, 6)):
        show.summary(one)
    show.line("Stopped.")
    assert [line.partition(";")[0] for line in out.getvalue().splitlines()] == [
        "3 devices: 1 connected, 1 registered",
        "3 devices: 3 connected, 3 registered",
        "Stopped.",
    ]


def test_a_terminal_has_one_line_that_changes() -> None:
    out = Terminal()
    show = Progress(out)
    show.summary(summary(1))
    show.summary(summary(3))
    show.line("Stopped.")
    assert out.getvalue().count("\n") == 2 and out.getvalue().count("\r") == 2
