"""The program ``lamplighter``.

Each command is a file; imports stay inside the commands, so that ``explain`` does not wait for what ``serve`` needs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from lamplighter import __version__

app = App(
    name="lamplighter",
    version=__version__,
    version_flags=["--version"],
    help="Device management for fleets of small devices, on your own machines.",
)
certificate = App(name="certificate", help="Certificates of devices.")
app.command(certificate)
pki = App(name="pki", help="The certificate authorities towards devices.")
app.command(pki)
webhook = App(name="webhook", help="The webhook of an application.")
app.command(webhook)
channels = App(name="channels", help="The notification channels of an application.")
app.command(channels)

Data = Annotated[Path, Parameter(name="--data", env_var="LAMPLIGHTER_DATA", help="Folder of this installation.")]
Config = Annotated[Path | None, Parameter(name="--config", env_var="LAMPLIGHTER_CONFIG", help="TOML file of settings.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Answer as JSON.")]
Key = Annotated[Path | None, Parameter(name="--key", help="File with a key of the application; `admin-key` else.")]
DATA = Path("var")


@app.command
def serve(
    role: Literal["all", "api", "lwm2m", "bootstrap", "worker"] = "all",
    /,
    *,
    data: Data = DATA,
    config: Config = None,
) -> int:
    """Run the server until it is stopped.

    Parameters
    ----------
    role
        What this process does; `all` on one machine.
    """
    from lamplighter.cli.serve import serve as run

    return run(role, data, config)


@app.command
def demo(*, devices: int = 10, data: Data = DATA, config: Config = None) -> int:
    """Serve, start simulated devices, and show a round trip step by step.

    Parameters
    ----------
    devices
        How many devices to simulate.
    """
    from lamplighter.cli.demo import demo as run

    return run(devices, data, config)


@app.command
def init(
    *,
    username: str | None = None,
    email: str | None = None,
    data: Data = DATA,
    config: Config = None,
) -> int:
    """Prepare a data folder without serving: database, certificates, root account, administrator's key.

    Parameters
    ----------
    username
        Also make an administrator user of this name; the password is asked for, or read from standard input.
    email
        The user's e-mail address.
    """
    from lamplighter.cli.installation import init as run

    return run(username, email, data, config)


@app.command
def migrate(*, data: Data = DATA, config: Config = None) -> int:
    """Bring the database to this version's schema; starting does the same."""
    from lamplighter.cli.installation import migrate as run

    return run(data, config)


@app.command
def backup(target: Path, /, *, data: Data = DATA, config: Config = None) -> int:
    """Copy the database while the server runs. Keep `master-key` and `pki/` elsewhere: they are not in it.

    Parameters
    ----------
    target
        The folder to make.
    """
    from lamplighter.cli.installation import backup as run

    return run(target, data, config)


@app.command
def restore(source: Path, /, *, data: Data = DATA, config: Config = None) -> int:
    """Put a backup into an empty installation. Stored device sessions are void afterwards.

    Parameters
    ----------
    source
        The folder that `backup` made.
    """
    from lamplighter.cli.installation import restore as run

    return run(source, data, config)


@app.command
def maintenance(state: Literal["on", "off"], /, note: str = "", *, data: Data = DATA, config: Config = None) -> int:
    """Close the API for maintenance, or open it again. Devices stay connected.

    Parameters
    ----------
    note
        A sentence told to callers, for example when the API will be back.
    """
    from lamplighter.cli.installation import maintenance as run

    return run(state == "on", note, data, config)


@app.command
def explain(what: str, /, *, data: Data = DATA, server: str | None = None, json: Json = False) -> int:
    """Explain an error: a request ID, a type such as not_found, or a member such as path-unknown.

    Parameters
    ----------
    what
        What to explain.
    server
        URL of the server that knows the request ID.
    """
    from lamplighter.cli.explain import explain as run

    return run(what, data, server, json)


@app.command
def settings(*, config: Config = None, json: Json = False) -> int:
    """List every setting: name, value, unit, default, meaning."""
    from lamplighter.cli.settings import settings as run

    return run(config, json)


@app.command
def doctor(*, data: Data = DATA, config: Config = None, json: Json = False) -> int:
    """Check this installation, and say how to mend what is wrong."""
    from lamplighter.cli.doctor import doctor as run

    return run(data, config, json)


@app.command
def simulate(
    *,
    devices: int = 1,
    profile: Literal["lwm2m-1.0", "lwm2m-1.1", "vendor", "gateway"] | None = None,
    transport: Literal["dtls", "tls", "udp", "tcp"] | None = None,
    bootstrap: Annotated[bool, Parameter(negative="")] = False,
    behaviour: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    awake: float | None = None,
    ping: float | None = None,
    lifetime: int | None = None,
    rate: float | None = None,
    script: Path | None = None,
    seed: int = 0,
    first: int = 1,
    server: str | None = None,
    port: int | None = None,
    data: Data = DATA,
) -> int:
    """Run simulated devices against a server until stopped with Ctrl-C; they deregister then.

    `lamplighter simulate --devices 10` is all it takes on the server's machine: the devices' keys are made through the API with
    the administrator's key of `--data`. For more: `--profile vendor`, `--behaviour sleep,reboot=60`, `--transport tls`.

    Behaviours, alone or together, with a measure or with the usual one given here:

    * `sleep=300`: queue mode; deaf after a while of silence (`--awake`), awake again by an update after so many seconds
    * `rebind=120`: a NAT gives the device another port, after so many seconds on average
    * `loss=0.05`, `reorder=0.05`, `duplicate=0.05`: that part of the datagrams is lost, late by up to 2 s, or comes twice
    * `slow=3`: it takes so many seconds on average to answer
    * `reboot=600`: it restarts without a word, after so many seconds on average
    * `misbehave=60`: the quirks of the vendor's client, and a message against the rules every so many seconds
    * `firmware=0.3`: that part of the firmware updates fails, evenly in the next four ways
    * `bad-image=0.3`, `no-memory=0.3`, `lost-image=0.3`, `rollback=0.3`: that part of the images comes damaged, finds no room,
      breaks off in the middle, does not start

    Parameters
    ----------
    devices
        How many.
    profile
        What kind of client: plain LwM2M 1.0 or 1.1 with a pre-shared key (both in turn where not given), the vendor's client
        with a developer certificate, or its edge gateway with devices behind it.
    transport
        How they connect: dtls where not given. The vendor's client takes dtls or tls, LwM2M 1.0 dtls or udp. The server listens
        to udp and tcp, which have no security, only with `coap.insecure`.
    bootstrap
        Come by way of the bootstrap server, as the vendor's client always does.
    behaviour
        What they do, such as `sleep,loss=0.1`; see above. Give it once or several times.
    awake
        Seconds of silence after which a device that sleeps is deaf; where not given 93, and 4.5 for the vendor's client.
    ping
        Seconds between pings that ask whether the server is there, 0 for none. Where not given, the vendor's client has 540
        over tls, its gateway 60, others none.
    lifetime
        Seconds of a registration; where not given 600, 7200 for the vendor's client, 3600 for its gateway.
    rate
        Devices switched on in a second; 200 where not given.
    script
        A TOML file with `profile`, `transport`, `bootstrap`, `awake`, `ping`, `lifetime`, `rate` and a table `behaviours`;
        options beat it.
    seed
        The same seed repeats a run: the same devices, which measure and do the same at the same moments.
    first
        Number of the first device: processes with the same seed and other numbers run other devices.
    server
        Host or URL of the server's API; this machine where not given.
    port
        Port that the devices connect to; what the server tells where not given.
    """
    from lamplighter.cli.simulate import simulate as run

    return run(
        devices,
        data,
        server,
        seed,
        first=first,
        profile=profile,
        behaviour=behaviour,
        script=script,
        lifetime=lifetime,
        rate=rate,
        transport=transport,
        bootstrap=bootstrap,
        port=port,
        awake=awake,
        ping=ping,
    )


@certificate.command
def issue(endpoint_name: str, /, *, out: Path = Path(), data: Data = DATA, config: Config = None) -> int:
    """Make a certificate and key with which a device connects.

    Parameters
    ----------
    endpoint_name
        The device's endpoint name.
    out
        The folder for the three files.
    """
    from lamplighter.cli.installation import issue as run

    return run(endpoint_name, out, data, config)


@pki.command(name="list")
def pki_list(*, data: Data = DATA, config: Config = None, json: Json = False) -> int:
    """List the authorities whose certificates open the server to devices: those that sign, and former ones still trusted."""
    from lamplighter.cli.pki import list_ as run

    return run(data, config, json)


@pki.command(name="rotate")
def pki_rotate(
    authority: Literal["device", "bootstrap"],
    /,
    *,
    certificate: Path | None = None,
    key: str | None = None,
    data: Data = DATA,
    config: Config = None,
) -> int:
    """Let a new authority sign from now on. The former one stays trusted until it is retired.

    Parameters
    ----------
    authority
        `device` signs the LwM2M server and devices' certificates for it, `bootstrap` the bootstrap server and developer
        certificates.
    certificate
        PEM of your own authority, then those above it up to the root; where not given, one is made.
    key
        Its private key: a file in PEM without a passphrase, which is sealed by the master key (remove the file afterwards); or
        the PKCS#11 URI of one in a hardware module, `pkcs11:token=…;object=…?module-path=…&pin-source=…`.
    """
    from lamplighter.cli.pki import rotate as run

    return run(authority, certificate, key, data, config)


@pki.command(name="retire")
def pki_retire(authority: Literal["device", "bootstrap"], /, *, data: Data = DATA, config: Config = None) -> int:
    """Trust the former authority no more: sessions that rest on it end, and the server shows the new one's certificate.

    Parameters
    ----------
    authority
        As for `rotate`.
    """
    from lamplighter.cli.pki import retire as run

    return run(authority, data, config)


@webhook.command(name="show")
def webhook_show(*, data: Data = DATA, key: Key = None, server: str | None = None, json: Json = False) -> int:
    """Show how deliveries go: what waits, what failed last and why.

    Parameters
    ----------
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import webhook_show as run

    return run(data, key, server, json)


@webhook.command(name="test")
def webhook_test(*, data: Data = DATA, key: Key = None, server: str | None = None, json: Json = False) -> int:
    """Have the server send the webhook an empty message, and tell what came of it.

    Parameters
    ----------
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import webhook_test as run

    return run(data, key, server, json)


@channels.command(name="list")
def channels_list(*, data: Data = DATA, key: Key = None, server: str | None = None, json: Json = False) -> int:
    """List the notification channels of an application; `default` is the one without a name.

    Parameters
    ----------
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import list_ as run

    return run(data, key, server, json)


@channels.command(name="show")
def channels_show(
    name: str, /, *, data: Data = DATA, key: Key = None, server: str | None = None, json: Json = False
) -> int:
    """Show a channel: where it is in what happened, what waits for it, and how its deliveries go.

    Parameters
    ----------
    name
        Of the channel.
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import show as run

    return run(name, data, key, server, json)


@channels.command(name="test")
def channels_test(
    name: str, /, *, data: Data = DATA, key: Key = None, server: str | None = None, json: Json = False
) -> int:
    """Have the server try whether the receiver of a channel takes messages, and tell what came of it.

    Parameters
    ----------
    name
        Of the channel.
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import test as run

    return run(name, data, key, server, json)


@channels.command(name="replay")
def channels_replay(
    name: str,
    /,
    *,
    from_: Annotated[str, Parameter(name="--from")],
    data: Data = DATA,
    key: Key = None,
    server: str | None = None,
    json: Json = False,
) -> int:
    """Have a channel go on from another place: what happened after it comes again, or is skipped.

    Parameters
    ----------
    name
        Of the channel.
    from_
        A UTC date-time (2026-11-21T20:15:01Z), a position (the uid of an event), `earliest` or `latest`.
    server
        URL of the server; this machine where not given.
    """
    from lamplighter.cli.channels import replay as run

    return run(name, from_, data, key, server, json)


@app.command
def completion(shell: Literal["bash", "zsh", "fish"] = "bash", /) -> int:
    """Print the script for tab completion: `source <(lamplighter completion bash)`."""
    print(app.generate_completion(shell=shell))
    return 0


def main() -> None:
    """The console entry point."""
    from lamplighter.cli.fail import Failure

    try:
        sys.exit(app())
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `lamplighter settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
