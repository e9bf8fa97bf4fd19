"""The cases of the two interoperability test suites that devices and servers of this field are held against.

LwM2M: the Enabler Test Specification LwM2M 1.1 of the Open Mobile Alliance (OMA-ETS-LightweightM2M-V1_1). CoAP: the
descriptions of the fourth plugtest of ETSI, IPSO and OMA. The subjects are in our words. A case that no test proves says why.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """``reason``: why no test proves it. ``limit``: what of it is done otherwise, although tests prove the rest."""

    id: str
    subject: str
    reason: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one interface, in the order of their suite."""

    title: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a client of others did by hand, outside the tests."""

    client: str
    ids: frozenset[str]
    seen: str


NO_PROCEDURE = "The suite has the number and a title, and no procedure."
_NO_RAW_KEYS = (
    "Raw public keys are not supported: a device is what the anchor of its credential says, and a bare key has none "
    "(docs/security.md). Pre-shared keys and certificates are."
)
_NOT_CONDITIONAL = (
    "Proved as a client. No resource of a server of ours is conditional: it answers If-Match and If-None-Match with 4.02 "
    "instead of ignoring the condition."
)
_CLIENT_ONLY = (
    "Proved as a client: a LwM2M server has no resources to discover, and a device's come with its registration."
)


def _oma(number: int, subject: str, reason: str = "", limit: str = "") -> Case:
    return Case(f"LightweightM2M-1.1-int-{number}", subject, reason, limit)


def _td(group: str, number: int, subject: str, reason: str = "", limit: str = "") -> Case:
    return Case(f"TD_COAP_{group}_{number:02}", subject, reason, limit)


BOOTSTRAP = Group(
    "LwM2M: bootstrap",
    (
        _oma(0, "a client asks for bootstrap, is discovered, given Security and Server, and told that it is done"),
        _oma(1, "the same with a pre-shared key, up to the registration with what was given"),
        _oma(2, "the same with certificates, up to the registration with what was given"),
        _oma(
            3,
            "a client takes its account from a smart card",
            "Nothing of it concerns a server: the card is the client's.",
        ),
        _oma(
            4,
            "the server deletes Security and Server; the client's bootstrap account stays",
            limit="Everything is deleted with one DELETE of the root (of /0 for the vendor's client), at the beginning of "
            "every bootstrap; nothing is read back.",
        ),
        _oma(5, "the LwM2M server triggers a bootstrap"),
        _oma(
            6,
            "a client tries smart card, factory values and bootstrap server in that order",
            "Nothing of it concerns a server: the order is the client's.",
        ),
        _oma(7, "a client whose server cannot be reached falls back to bootstrap"),
        _oma(
            8,
            "the server reads Server and Access Control back before it finishes",
            "The bootstrap server reads nothing back: it discovers, deletes and writes all that it needs. Bootstrap-Read is "
            "optional for a server, and Access Control is for clients with several servers.",
        ),
        _oma(9, "a client refuses to finish with an account that is not consistent"),
    ),
)

REGISTRATION = Group(
    "LwM2M: registration",
    (
        _oma(101, "a client registers with name, lifetime, version, binding and objects"),
        _oma(102, "a written lifetime is told by an update, and kept up by updates"),
        _oma(103, "a client told to disable itself deregisters, and is gone from the server"),
        _oma(104, "the update trigger brings an update without parameters, which renews the registration"),
        _oma(105, "an update of a registration that the server has ended is answered 4.04, and brings a new one"),
        _oma(106, "a client registers over TCP, after both sides have told their capabilities"),
        _oma(107, "a client tells a longer lifetime, and it holds"),
        _oma(108, "a client registers in queue mode"),
        _oma(109, "a request to a client that sleeps waits on the server until it speaks"),
    ),
)

MANAGEMENT = Group(
    "LwM2M: device management",
    (
        _oma(201, "resources are read as plain text"),
        _oma(202, "resources are read as opaque", NO_PROCEDURE),
        _oma(203, "an instance is read as TLV"),
        _oma(204, "an instance is read as LwM2M JSON"),
        _oma(205, "resources are written as plain text"),
        _oma(210, "resources are written as opaque", NO_PROCEDURE),
        _oma(211, "resources are read as CBOR"),
        _oma(212, "resources are written as CBOR"),
        _oma(215, "an instance is partly written and then replaced, as TLV"),
        _oma(220, "an instance is partly written and then replaced, as LwM2M JSON"),
        _oma(
            221,
            "Security cannot be read, written or given attributes",
            limit="Security is not among the objects of a registration, so that the server refuses by itself (400 "
            "RESOURCE_NOT_FOUND) and the client is not asked for its 4.01.",
        ),
        _oma(222, "an object is read"),
        _oma(223, "an instance is read"),
        _oma(224, "a resource is read"),
        _oma(225, "an instance of a resource is read"),
        _oma(226, "a partial write of an instance with a new lifetime, which is told at once"),
        _oma(227, "a resource is replaced"),
        _oma(228, "an instance of a resource is written"),
        _oma(229, "objects, instances and resources are read together"),
        _oma(230, "resources of several objects are written together"),
        _oma(231, "object, instance, resource and its instance are read as SenML JSON"),
        _oma(232, "object, instance, resource and its instance are read as SenML CBOR"),
        _oma(233, "instance and resources are written as SenML CBOR"),
        _oma(234, "instance and resources are written as SenML JSON"),
        _oma(235, "everything is read together, and Security is not there"),
        _oma(236, "what is not there is left out of what is read together"),
        _oma(237, "an object is read in the format that the client prefers"),
        _oma(241, "a client told to reboot registers again"),
        _oma(256, "what is not writable is answered 4.05 and keeps its value"),
        _oma(257, "Server and Device are written together"),
        _oma(260, "an object, an instance and a resource are discovered with their attributes"),
        _oma(261, "attributes of a multiple resource and of its instance"),
        _oma(270, "an instance is created"),
        _oma(271, "an instance with a multiple resource is created", NO_PROCEDURE),
        _oma(280, "exactly what was asked for is read together"),
        _oma(281, "what cannot be read is left out of what is read together"),
    ),
)

REPORTING = Group(
    "LwM2M: information reporting",
    (
        _oma(301, "an observed value is told no sooner than pmin and no later than pmax"),
        _oma(302, "an observation ends when its notification is reset"),
        _oma(303, "an observation ends when the server cancels it"),
        _oma(304, "several resources are observed together"),
        _oma(305, "an observation of several resources ends when the server cancels it"),
        _oma(306, "a client sends values unasked"),
        _oma(307, "a client that is muted sends no values unasked"),
        _oma(308, "an instance that is created appears among what is observed together"),
        _oma(309, "an instance that is deleted disappears from what is observed together"),
        _oma(310, "a new pmax holds for what is observed together"),
        _oma(311, "a client sends the values of several objects unasked"),
    ),
)

SECURITY = Group(
    "LwM2M: security",
    (
        _oma(
            401,
            "registration and a read over DTLS with a pre-shared key",
            limit="Suites with AES-CCM and AES-GCM; TLS_PSK_WITH_AES_128_CBC_SHA256 is not supported, as the engine has no CBC.",
        ),
    ),
)

CORE = Group(
    "CoAP: core",
    (
        _td("CORE", 1, "GET, confirmable"),
        _td("CORE", 2, "DELETE, confirmable"),
        _td("CORE", 3, "PUT, confirmable"),
        _td("CORE", 4, "POST, confirmable"),
        _td("CORE", 5, "GET, non-confirmable"),
        _td("CORE", 6, "DELETE, non-confirmable"),
        _td("CORE", 7, "PUT, non-confirmable"),
        _td("CORE", 8, "POST, non-confirmable"),
        _td("CORE", 9, "a separate response"),
        _td("CORE", 10, "a token of 1 to 8 bytes comes back"),
        _td("CORE", 11, "a token comes back with a separate response"),
        _td("CORE", 12, "a request without a token"),
        _td("CORE", 13, "several path segments"),
        _td("CORE", 14, "several query arguments"),
        _td("CORE", 15, "a lost request and a lost piggybacked response are made good"),
        _td("CORE", 16, "each lost message of an exchange with a separate response is made good"),
        _td("CORE", 17, "a separate response to a non-confirmable request, without acknowledgement"),
        _td("CORE", 18, "a created resource is told with several Location-Path segments"),
        _td("CORE", 19, "a created resource is told with several Location-Query arguments"),
        _td("CORE", 20, "Accept chooses between two formats"),
        _td("CORE", 21, "ETag: a value that is still valid is not sent again"),
        _td("CORE", 22, "If-Match: an update of what has changed meanwhile is refused", limit=_NOT_CONDITIONAL),
        _td("CORE", 23, "If-None-Match: what exists is not created again", limit=_NOT_CONDITIONAL),
        _td("CORE", 31, "a ping is answered with a reset"),
    ),
)

BLOCK = Group(
    "CoAP: block-wise transfer",
    (
        _td("BLOCK", 1, "a large resource is fetched, the block size asked for at once"),
        _td("BLOCK", 2, "a large resource is fetched, the block size left to the server"),
        _td("BLOCK", 3, "a large resource is updated with PUT"),
        _td("BLOCK", 4, "a large resource is created with POST"),
        _td("BLOCK", 5, "a large POST has a large answer"),
        _td("BLOCK", 6, "a large resource is fetched in blocks of 16 bytes"),
    ),
)

OBSERVE = Group(
    "CoAP: observe",
    (
        _td("OBS", 1, "confirmable notifications"),
        _td("OBS", 2, "non-confirmable notifications"),
        _td(
            "OBS",
            4,
            "a client finds out by Max-Age that its observation is lost",
            "Observations are made anew at every registration, and a device that lost them registers. LwM2M lets a value be "
            "silent for longer than its Max-Age, so that silence means nothing.",
        ),
        _td("OBS", 5, "a client that is off loses its observation"),
        _td("OBS", 6, "a client that has forgotten an observation ends it with a reset"),
        _td("OBS", 7, "a deleted resource ends its observations with 4.04"),
        _td("OBS", 8, "a resource that changes its format ends its observations with 4.06"),
        _td("OBS", 9, "an update of the resource is told"),
        _td("OBS", 10, "a GET without Observe leaves the observation alone"),
        _td("OBS", 11, "a lost notification is repeated, and no second one is under way meanwhile"),
        _td("OBS", 12, "a GET with Observe 1 ends the observation"),
        _td("OBS", 13, "notifications of several blocks"),
        _td("OBS", 14, "notifications sometimes of one block and sometimes of several"),
    ),
)

LINK = Group(
    "CoAP: link format",
    (
        _td("LINK", 1, "all links are discovered", limit=_CLIENT_ONLY),
        _td("LINK", 2, "links of a resource type", limit=_CLIENT_ONLY),
        _td("LINK", 3, "links with any resource type", limit=_CLIENT_ONLY),
        _td("LINK", 4, "links of which one of several resource types fits", limit=_CLIENT_ONLY),
        _td("LINK", 5, "links whose interface begins so", limit=_CLIENT_ONLY),
        _td("LINK", 6, "links with a size", limit=_CLIENT_ONLY),
        _td("LINK", 7, "the link to one target", limit=_CLIENT_ONLY),
        _td("LINK", 8, "links whose target begins so", limit=_CLIENT_ONLY),
        _td("LINK", 9, "links that lead to further links", limit=_CLIENT_ONLY),
    ),
)

DTLS = Group(
    "CoAP: DTLS",
    (
        _td("DTLS", 1, "a resource over DTLS with a pre-shared key"),
        _td(
            "DTLS",
            2,
            "nothing with a wrong key",
            limit="Our server ends the handshake in silence instead of with the alert decrypt_error: whoever guesses learns "
            "nothing, and an alert makes some devices drop their credentials.",
        ),
        _td("DTLS", 3, "each lost packet of the handshake with a pre-shared key is made good"),
        _td("DTLS", 4, "a resource over DTLS with raw public keys", _NO_RAW_KEYS),
        _td("DTLS", 5, "a client refuses the server's raw public key", _NO_RAW_KEYS),
        _td("DTLS", 6, "a server refuses the client's raw public key", _NO_RAW_KEYS),
        _td("DTLS", 7, "each lost packet of the handshake with raw public keys is made good", _NO_RAW_KEYS),
    ),
)

GROUPS = (BOOTSTRAP, REGISTRATION, MANAGEMENT, REPORTING, SECURITY, CORE, BLOCK, OBSERVE, LINK, DTLS)
CASES = {case.id: case for group in GROUPS for case in group.cases}


def _trial(client: str, numbers: str, seen: str) -> Trial:
    return Trial(client, frozenset(f"LightweightM2M-1.1-int-{number}" for number in numbers.split()), seen)


BY_HAND = (
    _trial(
        "Anjay",
        "0 1 4 5 101 103 104 105 201 203 204 205 211 212 215 221 222 223 224 225 226 227 229 230 231 232 233 234 235 236 237 "
        "241 256 257 260 261 280 281 301 303 304 305 306 307 308 309 310 311 401",
        "The demo of Anjay 3.14.0, bootstrapped and registered over DTLS with a pre-shared key; what is observed together "
        "(int-304, 305, 308 to 310) without security. It refuses LwM2M JSON in a write (4.15, int-220) and has no Portfolio "
        "object (int-228); the other cases were not tried.",
    ),
    _trial(
        "Wakaama",
        "0 1 101 201 203 204 205 215 220 222 223 224 231 237 301 303 401",
        "The client of Wakaama with tinydtls (commit f91cfe0), the same way. It takes no CBOR and no SenML CBOR (4.06) and no "
        "attributes of a multiple resource (4.05), sent no update within 20 seconds of being told to, and acknowledges a FETCH "
        "that it then does not answer, which holds up what is queued behind it for minutes.",
    ),
)
