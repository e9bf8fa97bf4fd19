"""Every setting: name, type, default, unit, meaning. The one table that the program, its CLI and the docs read.

Read from a TOML file (``--config``), overridden by ``LAMPLIGHTER_<SECTION>_<NAME>`` variables. A name that is not here,
or a value of another type, stops the start with all faults at once.
"""

from __future__ import annotations

import os
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec


class About(NamedTuple):
    """What a setting means, and the unit of its value (empty where it has none)."""

    meaning: str
    unit: str = ""


class SettingsError(Exception):
    """The settings cannot be used. Its text names every fault."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Http(_Section, frozen=True):
    host: Annotated[str, About("Address the REST API and the portal listen on; empty for all, IPv4 and IPv6.")] = ""
    port: Annotated[int, About("TCP port of HTTPS: REST API, docs, portal.")] = 8443
    plain_port: Annotated[
        int, About("TCP port of plain HTTP: firmware, health, metrics, ACME challenges. 0 closes it.")
    ] = 8080
    plaintext_api: Annotated[
        bool, About("Serve the API on the plain port too: for loopback labs and behind a proxy that ends TLS.")
    ] = False
    certificate: Annotated[str, About("PEM file with the server's own certificate chain; empty: from pki/.")] = ""
    private_key: Annotated[str, About("PEM file with that certificate's key; empty: from pki/.")] = ""
    trusted_proxies: Annotated[
        tuple[str, ...], About("Networks of proxies whose X-Forwarded-For and X-Forwarded-Proto count.")
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        About("Web origins whose pages may call the API; * for any. Credentials travel in the header only."),
    ] = ("*",)
    faults: Annotated[
        bool, About("Let administrators provoke any documented error with the header X-Lamplighter-Fault.")
    ] = False
    max_body: Annotated[int, About("Largest JSON body of a request.", "bytes")] = 2 * 1024 * 1024
    max_connections: Annotated[int, About("Open connections above which new requests are shed with 503.")] = 4000
    request_head_timeout: Annotated[float, About("Time in which a request's head and body must arrive.", "seconds")] = (
        20.0
    )
    drain_timeout: Annotated[float, About("Time that open requests get to finish at shutdown.", "seconds")] = 10.0


class Api(_Section, frozen=True):
    edition: Annotated[Literal["izuma", "pelion"], About("Whose advice is shown first.")] = "izuma"
    disabled: Annotated[
        tuple[str, ...],
        About("Operation names, or whole tags, that this installation has switched off (400 bad_request)."),
    ] = ()
    rate_per_second: Annotated[float, About("Sustained requests of one credential.", "requests/second")] = 200.0
    rate_burst: Annotated[int, About("Requests one credential may send at once.", "requests")] = 1000
    rate_per_second_address: Annotated[
        float, About("Sustained requests of one address that fail to authenticate.", "requests/second")
    ] = 20.0
    rate_burst_address: Annotated[int, About("Unauthenticated requests one address may send at once.", "requests")] = (
        200
    )
    errors_kept: Annotated[float, About("How long answers of 400 and above can be explained.", "seconds")] = 7 * 86400.0
    errors_rate_address: Annotated[
        float, About("Rate per address above which strangers' errors are sampled.", "errors/second")
    ] = 5.0
    count_age: Annotated[float, About("How old the total_count of a filtered list may be.", "seconds")] = 5.0


class Access(_Section, frozen=True):
    restricted_networks: Annotated[tuple[str, ...], About("Networks refused with 403 access_restricted.")] = ()
    restricted_countries: Annotated[tuple[str, ...], About("ISO 3166 codes refused with 403 access_restricted.")] = ()
    country_database: Annotated[str, About("MaxMind-format file that maps addresses to countries.")] = ""
    session_idle: Annotated[float, About("Idle time after which a user token ends.", "seconds")] = 30 * 60.0
    credential_cache: Annotated[
        float, About("How long a process trusts a credential whose revocation it has not heard of.", "seconds")
    ] = 0.4
    login_failures: Annotated[int, About("Wrong passwords in a row before answers slow down.")] = 5
    quota_tier_0: Annotated[int, About("Operations a free account may make in a calendar month.")] = 100_000_000
    quota_tier_1: Annotated[
        int, About("Operations a commercial account may make in a calendar month; 0: no limit.")
    ] = 0
    applications_tier_0: Annotated[int, About("Applications of a free account.")] = 4
    applications_tier_1: Annotated[int, About("Applications of a commercial account.")] = 25
    keys_per_application: Annotated[int, About("Access keys of one application.")] = 2
    devices_tier_0: Annotated[int, About("Devices of a free account; 0: no limit.")] = 0
    devices_tier_1: Annotated[int, About("Devices of a commercial account; 0: no limit.")] = 0
    certificates_tier_0: Annotated[
        int, About("Trusted certificates of a free account, developer certificates among them.")
    ] = 10
    certificates_tier_1: Annotated[
        int, About("Trusted certificates of a commercial account, developer certificates among them.")
    ] = 50
    trust_anchors: Annotated[int, About("Trust anchors of one account, for secure device access.")] = 1
    device_token_validity: Annotated[
        float, About("How long an access token for devices is good after it was given.", "seconds")
    ] = 86400.0

    certificate_issuers: Annotated[int, About("Certificate issuers of one account.")] = 20
    certificate_configurations: Annotated[
        int, About("Certificate issuer configurations of one account, one for each certificate name.")
    ] = 100


class Database(_Section, frozen=True):
    url: Annotated[str, About("postgresql://user:password@host/name, or empty for SQLite in the data folder.")] = ""
    pool: Annotated[int, About("Connections to PostgreSQL, or readers of SQLite.")] = 4
    timeout: Annotated[float, About("Longest wait for the database before 503.", "seconds")] = 10.0


class Bus(_Section, frozen=True):
    url: Annotated[str, About("nats://host:4222, or empty where one process does everything.")] = ""


class Events(_Section, frozen=True):
    kept: Annotated[float, About("How long the event log keeps what every cursor has passed.", "seconds")] = 86400.0


class Public(_Section, frozen=True):
    rest_url: Annotated[str, About("Address of the REST API as told to others; empty: from the host name.")] = ""
    lwm2m_uri: Annotated[str, About("coaps:// address devices are told; empty: from the host name.")] = ""
    bootstrap_uri: Annotated[str, About("coaps:// address of bootstrap; empty: from the host name.")] = ""
    firmware_url: Annotated[str, About("http:// address of firmware downloads; empty: from the host name.")] = ""


class Coap(_Section, frozen=True):
    insecure: Annotated[bool, About("Open coap:// ports without security: laboratories only.")] = False
    insecure_account: Annotated[
        str, About("The account that devices without security belong to; empty: the root account.")
    ] = ""
    host: Annotated[str, About("Address the device ports listen on; empty for all.")] = ""
    port: Annotated[int, About("UDP and TCP port of coap:// for LwM2M, open only when coap.insecure is true.")] = 5683
    tcp: Annotated[bool, About("Serve devices over TCP too, on the same ports: TLS for coaps://.")] = True
    tcp_connections: Annotated[
        int, About("Connections over TCP that one port may have open; one with TLS takes 38 KB.")
    ] = 50_000
    tcp_idle: Annotated[float, About("How long a connection over TCP may be silent.", "seconds")] = 86_400.0


class Lwm2m(_Section, frozen=True):
    port: Annotated[int, About("UDP and TCP port of coaps:// for LwM2M.")] = 5684
    workers: Annotated[int, About("Processes that `serve lwm2m` starts on its one port.")] = 1
    lifetime_max: Annotated[float, About("Longest registration lifetime granted.", "seconds")] = 72 * 3600.0
    expiry_grace: Annotated[float, About("How long after its lifetime a registration still counts.", "seconds")] = 10.0
    command_queue: Annotated[int, About("Commands that may wait for one device.")] = 20
    value_age_max: Annotated[
        float, About("Longest time for which a value that a device told answers reads; 0: never.", "seconds")
    ] = 72 * 3600.0
    object_definitions: Annotated[int, About("LwM2M objects that one account may define.")] = 500
    gateway_devices: Annotated[int, About("Devices that one edge gateway may have behind it.")] = 1000


class Bootstrap(_Section, frozen=True):
    port: Annotated[int, About("UDP and TCP port of coaps:// for bootstrap.")] = 5784
    plain_port: Annotated[int, About("UDP port of coap:// for bootstrap, open only when coap.insecure is true.")] = 5783
    est: Annotated[
        bool, About("Let the vendor's client make its own key and fetch its certificate (EST), where it can.")
    ] = True
    lifetime: Annotated[float, About("Registration lifetime written to standard clients.", "seconds")] = 3600.0


class Dtls(_Section, frozen=True):
    engine: Annotated[
        Literal["native", "openssl"],
        About("openssl: without Connection ID, and without sessions that outlive a restart, at 70 KB a session."),
    ] = "native"
    extended_master_secret: Annotated[
        Literal["preferred", "required"], About("Whether a client without RFC 7627 gets in.")
    ] = "preferred"
    half_open: Annotated[int, About("Handshakes that may be open at once.")] = 2000
    half_open_network: Annotated[int, About("Handshakes that one /24 or /56 may have open.")] = 500


class Channels(_Section, frozen=True):
    results_kept: Annotated[float, About("How long notifications wait for a channel.", "seconds")] = 24 * 3600.0
    long_poll: Annotated[float, About("How long a poll without news is held.", "seconds")] = 30.0
    queue_bytes: Annotated[int, About("What may wait for one channel; over it the oldest go.", "bytes")] = 50_000_000
    failing: Annotated[float, About("How long a webhook may fail before it is removed.", "seconds")] = 24 * 3600.0
    unconnected: Annotated[
        float, About("How long a websocket channel may be without a connection before it is removed.", "seconds")
    ] = 24 * 3600.0
    named: Annotated[int, About("Channels with a name that one application may have.")] = 64
    unpolled: Annotated[float, About("How long a long-poll channel is kept without a poll.", "seconds")] = 600.0


class Outbound(_Section, frozen=True):
    allowed_networks: Annotated[
        tuple[str, ...],
        About("Networks that webhooks and other outbound requests may reach although they are not public."),
    ] = ()
    ca_file: Annotated[str, About("PEM file of authorities trusted besides the system's, for outbound TLS.")] = ""
    certificate: Annotated[
        str, About("PEM file with the certificate chain shown to servers that ask for one; empty: from pki/.")
    ] = ""
    private_key: Annotated[str, About("PEM file with that certificate's key; empty: it is in the same file.")] = ""
    timeout: Annotated[float, About("Longest wait for the answer to an outbound request.", "seconds")] = 20.0
    connections: Annotated[int, About("Outbound requests that one process may have open.")] = 200
    connections_host: Annotated[int, About("Outbound requests to one host that a process may have open.")] = 32


class Echo(_Section, frozen=True):
    kept: Annotated[float, About("How long after its last contact a device's echo is kept.", "seconds")] = 183 * 86400.0
    resources: Annotated[int, About("Resources of one device whose values its echo keeps, the newest.")] = 1000
    value_size: Annotated[int, About("Largest value that an echo keeps.", "bytes")] = 16_384


class Enrollment(_Section, frozen=True):
    claim_life: Annotated[
        float, About("How long a claim waits for its device; then it vanishes, and anybody may claim anew.", "seconds")
    ] = 183 * 86400.0
    open_claims: Annotated[int, About("Claims of one account whose devices have not come; 0: no limit.")] = 1_000_000
    bulk_size: Annotated[int, About("Largest file of a bulk upload or delete.", "bytes")] = 10 * 1024 * 1024
    bulk_rows: Annotated[int, About("Identities in one bulk upload or delete.")] = 100_000
    bulk_jobs: Annotated[int, About("Bulk uploads and deletes of one account that may be unfinished at once.")] = 20
    bulk_kept: Annotated[float, About("How long a finished bulk job and its reports are kept.", "seconds")] = (
        30 * 86400.0
    )
    denials: Annotated[int, About("Refused attempts of devices that are kept for each account, the newest.")] = 1000


class Issuers(_Section, frozen=True):
    acme_domains: Annotated[
        tuple[str, ...],
        About(
            "Names that an account may prove to ACME authorities by HTTP: <domain>=<account id>, for all names below the domain."
        ),
    ] = ()
    renewals_per_minute: Annotated[
        int, About("Certificates whose renewal begins by itself in a minute, where configurations say so.")
    ] = 600
    busy_wait: Annotated[
        float, About("How long a device is left alone that was busy when it was to renew a certificate.", "seconds")
    ] = 60.0
    enrollments_kept: Annotated[
        float, About("How long a renewal that has ended is kept in /v3/certificate-enrollments.", "seconds")
    ] = 365 * 86400.0


class Log(_Section, frozen=True):
    level: Annotated[Literal["debug", "info", "warning", "error"], About("Least serious message that is written.")] = (
        "info"
    )
    format: Annotated[Literal["auto", "console", "json"], About("auto: console on a terminal, JSON elsewhere.")] = (
        "auto"
    )


class Metrics(_Section, frozen=True):
    open: Annotated[bool, About("Serve /metrics to addresses other than loopback.")] = False


class Support(_Section, frozen=True):
    contact: Annotated[str, About("Whom users are told to ask when the server has a defect.")] = (
        "the operator of this server"
    )


class Settings(_Section, frozen=True):
    """All sections. ``settings.http.port`` in code is ``http.port`` in words and ``LAMPLIGHTER_HTTP_PORT`` outside."""

    http: Http = Http()
    api: Api = Api()
    access: Access = Access()
    database: Database = Database()
    bus: Bus = Bus()
    events: Events = Events()
    public: Public = Public()
    coap: Coap = Coap()
    lwm2m: Lwm2m = Lwm2m()
    bootstrap: Bootstrap = Bootstrap()
    dtls: Dtls = Dtls()
    channels: Channels = Channels()
    echo: Echo = Echo()
    enrollment: Enrollment = Enrollment()
    issuers: Issuers = Issuers()
    outbound: Outbound = Outbound()
    log: Log = Log()
    metrics: Metrics = Metrics()
    support: Support = Support()


class Setting(NamedTuple):
    """A row of the table."""

    section: str
    name: str
    type: Any
    default: Any
    unit: str
    meaning: str

    @property
    def full_name(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        return f"LAMPLIGHTER_{self.section}_{self.name}".upper()


def table() -> Iterator[Setting]:
    """Every setting, in the order of this file."""
    for section in msgspec.structs.fields(Settings):
        hints = typing.get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            inner, about = typing.get_args(hints[field.name])[:2]
            yield Setting(section.name, field.name, inner, field.default, about.unit, about.meaning)


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises SettingsError that names every unknown name and every value that does not fit.
    """
    given: dict[str, Any] = {}
    faults: list[str] = []
    if path is not None:
        try:
            given = tomllib.loads(path.read_text())
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is not TOML: {error}.") from None
    known = {(row.section, row.name): row for row in table()}
    values: dict[str, dict[str, Any]] = {}
    for section, entries in given.items():
        if not isinstance(entries, dict):
            faults.append(f"{section}: settings stand in sections, for example [http] port = 8443")
            continue
        for name, value in entries.items():
            if (section, name) not in known:
                faults.append(f"{section}.{name}: there is no such setting; `lamplighter settings` lists them all")
            else:
                values.setdefault(section, {})[name] = value
    for row in known.values():
        if row.variable in environment:
            values.setdefault(row.section, {})[row.name] = _from_text(environment[row.variable], row.type)
    built: dict[str, Any] = {}
    for section_field in msgspec.structs.fields(Settings):
        section_values = values.get(section_field.name, {})
        checked: dict[str, Any] = {}
        for name, value in section_values.items():
            row = known[section_field.name, name]
            try:
                checked[name] = msgspec.convert(value, row.type, strict=False)
            except msgspec.ValidationError as error:
                faults.append(f"{row.full_name}: {error}")
        built[section_field.name] = section_field.type(**checked)
    if faults:
        raise SettingsError("\n".join(faults))
    return Settings(**built)


def _from_text(text: str, kind: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
