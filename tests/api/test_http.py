"""What every operation shares: the order of checks, the error body, and how answers look."""

from __future__ import annotations

import pytest

from lamplighter.errors import requests
from lamplighter.settings import Access, Api, Http, Settings
from tests.api.toy import ADMIN, API_KEY, DEVELOPER, FOREIGN, TENANT, TOKEN, Toy


async def test_an_error_is_the_documented_object_with_the_id_in_body_and_header() -> None:
    answer = await Toy().call("GET", "/v3/lamps", key=None)
    body = answer.json()
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["link"] == '</docs/errors#credential-missing>; rel="help"'
    assert list(body) == ["object", "code", "type", "message", "fields", "request_id"]
    assert (body["object"], body["code"], body["type"], body["fields"]) == ("error", 401, "invalid_auth", [])
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Authorization: Bearer" in body["message"]


@pytest.mark.parametrize("path", ["/v3/lamps", "/v3/lamps/", "/v3//lamps//", "/v3/l%61mps"])
async def test_both_slash_forms_and_doubled_slashes_are_one_path(path: str) -> None:
    toy = Toy()
    assert (await toy.call("GET", path)).status_code == 200
    assert len(toy.seen) == 1


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, "invalid_auth"),
        ("", "invalid_auth"),
        ("Bearer", "invalid_auth"),
        ("Basic YTpi", "invalid_auth"),
        (f"{ADMIN}", "invalid_auth"),
        ("Bearer key with spaces", "invalid_auth"),
        ("Bearer kéy", "invalid_auth"),
        ("Bearer something", "invalid_auth"),
        ("Bearer ak_2short", "invalid_accesskey"),
        ("Bearer ak_2" + "x" * 107, "invalid_accesskey"),
        ("Bearer ak_1short", "invalid_apikey"),
        ("Bearer ak_1" + "x" * 107, "invalid_apikey"),
        ("Bearer rt_short", "invalid_token"),
        ("Bearer rt_" + "x" * 107, "invalid_token"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.c2ln", "invalid_token"),
    ],
)
async def test_each_line_of_the_credential_table_has_its_type(authorization: str | None, expected: str) -> None:
    toy = Toy()
    headers = {} if authorization is None else {"Authorization": authorization.encode("utf-8")}
    answer = await toy.call("GET", "/v3/lamps", key=None, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, expected)
    assert not toy.seen


async def test_the_scheme_is_bearer_in_any_case() -> None:
    answer = await Toy().call("GET", "/v3/lamps", key=None, headers={"Authorization": f"bEARER {ADMIN}"})
    assert answer.status_code == 200


async def test_an_unknown_path_suggests_the_nearest_known_one() -> None:
    answer = await Toy().call("GET", "/v3/lamp")
    assert (answer.status_code, answer.json()["type"]) == (404, "unrecognized_request")
    assert "Did you mean /v3/lamps?" in answer.json()["message"]


async def test_another_method_is_405_with_what_is_allowed() -> None:
    answer = await Toy().call("PATCH", "/v3/lamps")
    assert (answer.status_code, answer.json()["type"]) == (405, "method_not_supported")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.json()["message"].endswith("Use GET, HEAD, OPTIONS, POST.")


async def test_path_and_method_come_before_the_credential() -> None:
    toy = Toy()
    assert (await toy.call("GET", "/v3/lamp", key=None)).status_code == 404
    assert (await toy.call("PATCH", "/v3/lamps", key=None)).status_code == 405


async def test_head_is_get_without_a_body() -> None:
    get, head = await Toy().call("GET", "/v3/lamps/a"), await Toy().call("HEAD", "/v3/lamps/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_options_needs_no_key_and_answers_a_preflight() -> None:
    headers = {"Origin": "https://portal.test", "Access-Control-Request-Method": "GET"}
    answer = await Toy().call("OPTIONS", "/v3/lamps", key=None, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in answer.headers["access-control-allow-headers"]


async def test_every_answer_to_a_web_page_exposes_the_request_id() -> None:
    answer = await Toy().call("GET", "/v3/lamps", headers={"Origin": "https://portal.test"})
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]


async def test_all_faults_of_query_and_body_come_in_one_answer() -> None:
    body = {"name": "much too long a name", "level": "high"}
    answer = await Toy().call("POST", "/v2/lamps/1?retry=99", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert answer.json()["fields"] == [
        {"name": "async-id", "message": "is required in the query"},
        {"name": "retry", "message": "must be a whole number from 0 to 10"},
        {"name": "name", "message": "must have at most 10 characters"},
        {"name": "level", "message": "must be a whole number, not a string"},
    ]
    assert answer.json()["message"] == (
        "4 parameters cannot be used: async-id, retry, name, level. Correct them and send the request again; nothing was changed."
    )


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b"{", "malformed-json"),
        (b'{"name": "a",}', "malformed-json"),
        (b'{"level": NaN, "name": "a"}', "malformed-json"),
        (b'{"name": "\xff"}', "body-not-utf8"),
        (b'{"name": "\\ud800"}', "body-has-lone-surrogate"),
        (b'{"name": "a", "name": "b"}', "body-has-duplicate-keys"),
        (b"[]", "body-not-object"),
        (b"null", "body-not-object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_bad_request(body: bytes, member: str) -> None:
    toy = Toy()
    answer = await toy.call("POST", "/v3/lamps", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"], answer.json()["fields"]) == (400, "bad_request", [])
    assert toy.kept.errors[0].member == member
    assert not toy.seen


async def test_a_pair_of_surrogates_is_a_character() -> None:
    headers = {"Content-Type": "application/json"}
    answer = await Toy().call("POST", "/v3/lamps", content=b'{"name": "\\ud83d\\ude00"}', headers=headers)
    assert answer.json()["name"] == "😀"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_media_type_or_encoding_that_is_not_taken_is_bad_request(headers: dict[str, str]) -> None:
    answer = await Toy().call("POST", "/v3/lamps", content=b'{"name": "a"}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


async def test_a_missing_body_is_a_fault_of_the_body() -> None:
    answer = await Toy().call("POST", "/v3/lamps")
    assert answer.json()["fields"] == [{"name": "body", "message": "is required"}]


async def test_a_body_over_the_limit_is_413_before_it_is_read() -> None:
    answer = await Toy(Settings(http=Http(max_body=100))).call("POST", "/v3/lamps", json={"name": "a" * 200})
    assert (answer.status_code, answer.json()["type"]) == (413, "payload_too_large")


@pytest.mark.parametrize("query", ["name__eq=a&name__eq=b", "limit=2&limit=3"])
async def test_a_repeated_parameter_is_bad_request(query: str) -> None:
    answer = await Toy().call("GET", f"/v3/lamps?{query}")
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


@pytest.mark.parametrize("target", ["/v3/lamps/%zz", "/v3/lamps/%f", "/v3/lamps/%ff", "/v3/lamps?a=%zz"])
async def test_an_escape_that_cannot_be_decoded_is_bad_request(target: str) -> None:
    toy = Toy()
    path, _, query = target.partition("?")
    answers: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        answers.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"authorization", f"Bearer {ADMIN}".encode())],
        "scheme": "https",
        "client": ("203.0.113.9", 1),
    }
    await toy.api(scope, receive, send)  # type: ignore[arg-type]
    assert answers[0]["status"] == 400
    assert toy.kept.errors[0].member == "malformed-escape"


async def test_a_missing_permission_is_access_denied_and_named() -> None:
    answer = await Toy().call("POST", "/v3/lamps", key=DEVELOPER, json={"name": "a"})
    assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")
    assert "lamps.write" in answer.json()["message"]


async def test_permission_comes_before_the_body() -> None:
    answer = await Toy().call("POST", "/v3/lamps", key=DEVELOPER, content=b"{")
    assert answer.status_code == 403


async def test_a_credential_of_a_kind_the_operation_never_takes_is_refused_by_its_own_error() -> None:
    answer = await Toy().call("POST", "/v2/lamps/1?async-id=a", key=TOKEN, json={"name": "a"})
    assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")
    assert (await Toy().call("POST", "/v2/lamps/1?async-id=a", key=API_KEY, json={"name": "a"})).status_code == 202


async def test_a_tenants_path_acts_in_the_tenant_and_a_foreign_account_is_not_found() -> None:
    toy = Toy()
    assert (await toy.call("GET", f"/v3/accounts/{TENANT}/lamps")).status_code == 200
    assert toy.seen[0].account_id == TENANT
    answer = await toy.call("GET", f"/v3/accounts/{FOREIGN}/lamps")
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


async def test_plain_http_is_refused_unless_a_setting_opens_it() -> None:
    answer = await Toy().call("GET", "/v3/lamps", base_url="http://lamps.test")
    assert (answer.status_code, answer.json()["type"]) == (403, "invalid_request")
    opened = Toy(Settings(http=Http(plaintext_api=True)))
    assert (await opened.call("GET", "/v3/lamps", base_url="http://lamps.test")).status_code == 200


async def test_a_proxys_headers_count_only_from_a_trusted_address() -> None:
    headers = {"X-Forwarded-For": "198.51.100.7, 10.0.0.1", "X-Forwarded-Proto": "https"}
    trusting = Toy(Settings(http=Http(trusted_proxies=("10.0.0.0/8",))), address="10.1.2.3")
    assert (await trusting.call("GET", "/v3/lamps", headers=headers, base_url="http://lamps.test")).status_code == 200
    assert trusting.seen[0].address == "198.51.100.7"
    other = Toy()
    await other.call("GET", "/v3/lamps", headers=headers)
    assert other.seen[0].address == "203.0.113.9"


async def test_a_restricted_network_is_access_restricted() -> None:
    settings = Settings(access=Access(restricted_networks=("203.0.113.0/24",)))
    answer = await Toy(settings).call("GET", "/v3/lamps")
    assert (answer.status_code, answer.json()["type"]) == (403, "access_restricted")


async def test_one_credential_over_its_rate_is_429_with_the_wait() -> None:
    toy = Toy(Settings(api=Api(rate_per_second=1, rate_burst=2)))
    assert [(await toy.call("GET", "/v3/lamps")).status_code for _ in range(3)] == [200, 200, 429]
    answer = await toy.call("GET", "/v3/lamps")
    assert answer.json()["type"] == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "1"
    toy.clock.advance(1)
    answer = await toy.call("GET", "/v3/lamps")
    assert (answer.status_code, answer.headers["ratelimit"]) == (200, '"credential";r=0;t=2')


async def test_strangers_from_one_address_over_their_rate_are_429_while_others_get_in() -> None:
    toy = Toy(Settings(api=Api(rate_per_second_address=1, rate_burst_address=3)))
    statuses = [(await toy.call("GET", "/v3/lamps", key=None)).status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
    toy.clock.advance(1)
    assert (await toy.call("GET", "/v3/lamps")).status_code == 200


async def test_a_closed_gate_is_503_with_retry_after() -> None:
    toy = Toy()
    toy.gate.error = requests.UnderMaintenance(note="", retry_after=30)
    answer = await toy.call("GET", "/v3/lamps", key=None)
    assert (answer.status_code, answer.json()["type"]) == (503, "system_unavailable")
    assert answer.headers["retry-after"] == "30"


async def test_a_defect_is_500_without_internals() -> None:
    answer = await Toy().call("GET", "/v3/lamps/defect")
    assert (answer.status_code, answer.json()["type"]) == (500, "internal_server_error")
    assert "moon" not in answer.text
    assert answer.json()["request_id"] in answer.json()["message"]


async def test_an_error_the_operation_does_not_declare_is_a_defect_in_tests() -> None:
    assert (await Toy().call("GET", "/v3/lamps/undeclared")).status_code == 500
    assert (await Toy(strict=False).call("GET", "/v3/lamps/undeclared")).status_code == 409


async def test_a_v2_operation_answers_its_word_and_otherwise_the_object() -> None:
    answer = await Toy().call("POST", "/v2/lamps/1?async-id=a", content=b"{")
    assert (answer.status_code, answer.text) == (400, "MALFORMED_JSON_CONTENT")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-request-id"]
    answer = await Toy().call("POST", "/v2/lamps/1?async-id=no%20id", json={"name": "a"})
    assert (answer.status_code, answer.text) == (400, "MALFORMED_ASYNC_ID")
    answer = await Toy().call("POST", "/v2/lamps/1?async-id=a&retry=77", json={"name": "a"})
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    answer = await Toy().call("POST", "/v2/lamps/1?async-id=a", key=None)
    assert (answer.status_code, answer.json()["type"]) == (401, "invalid_auth")


async def test_a_switched_off_interface_is_bad_request() -> None:
    answer = await Toy(Settings(api=Api(disabled=("Lamp_list",)))).call("GET", "/v3/lamps")
    assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


async def test_problem_details_are_answered_when_asked_for() -> None:
    answer = await Toy().call("GET", "/v3/lamps/broken", headers={"Accept": "application/problem+json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["type"]) == (409, "/docs/errors#lamp-broken")


@pytest.mark.parametrize("name", ["not_found", "path-unknown", "duplicate", "503"])
async def test_an_administrator_can_provoke_any_documented_error_where_the_setting_allows(name: str) -> None:
    headers = {"X-Lamplighter-Fault": name}
    toy = Toy(Settings(http=Http(faults=True)))
    answer = await toy.call("GET", "/v3/lamps", headers=headers)
    assert name in (answer.json()["type"], toy.kept.errors[0].member, str(answer.status_code))
    assert (await toy.call("GET", "/v3/lamps", key=DEVELOPER, headers=headers)).status_code == 200
    assert (await Toy().call("GET", "/v3/lamps", headers=headers)).status_code == 200


async def test_the_clients_own_request_id_is_kept_beside_ours_and_cleaned() -> None:
    toy = Toy()
    answer = await toy.call("GET", "/v3/lamps/broken", headers={"X-Request-ID": "mine \x7f" + "x" * 300})
    kept = toy.kept.errors[0]
    assert kept.client_request_id == "mine" + "x" * 124
    assert answer.headers["x-request-id"] == kept.request_id != kept.client_request_id


async def test_what_is_kept_never_holds_the_credential() -> None:
    toy = Toy()
    await toy.call("GET", "/v3/lamps/broken")
    assert ADMIN not in repr(toy.kept.errors) and toy.kept.errors[0].credential == "an access key ACCESS_KEY"


async def test_more_open_requests_than_allowed_are_shed_with_503() -> None:
    toy = Toy(Settings(http=Http(max_connections=0)))
    answer = await toy.call("GET", "/v3/lamps")
    assert (answer.status_code, answer.json()["type"]) == (503, "system_unavailable")
    assert answer.headers["retry-after"] == "1" and toy.kept.errors[0].member == "overloaded"


async def test_a_key_put_into_the_path_by_mistake_is_shown_to_nobody() -> None:
    toy = Toy()
    answer = await toy.call("GET", f"/v3/{ADMIN}")
    assert answer.status_code == 404 and ADMIN not in answer.text + repr(toy.kept.errors)
