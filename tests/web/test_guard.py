"""Who is answered, and how others are refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cotality.web._web.guard.bodies import Bodies
from cotality.web._web.guard.door import OWNER, Door
from cotality.web._web.guard.keys import Keys, new_key
from cotality.web._web.guard.peers import Peers, is_loopback
from cotality.web._web.guard.rates import Rates
from cotality.web._web.guard.shield import Shield
from tests.kit.redis_server import redis_server
from tests.web.asgi import Client, run

pytestmark = pytest.mark.one_python

ADA, BOB = "ada-has-a-long-secret", "bob-has-a-long-one-as-well"
HOME = ("127.0.0.1", 50_000)
AWAY = ("192.0.2.7", 50_000)


async def told(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"owner": request.scope[OWNER], "bytes": len(body)})


async def failing(request: Request) -> Response:
    raise RuntimeError("a secret of ours")


def guarded(
    *keys: str,
    hosts: Sequence[str] = (),
    most: int = 1000,
    per_minute: int = 100,
    rate_url: str | None = None,
    limit_s: float = 10.0,
) -> Starlette:
    """An application behind everything that guards one."""
    known = Keys(keys)
    return Starlette(
        routes=[
            Route("/told", told, methods=["GET", "POST"]),
            Route("/open", told),
            Route("/failing", failing),
        ],
        middleware=[
            Middleware(Shield),
            Middleware(
                Door,
                peers=Peers(hosts, has_keys=bool(known)),
                keys=known,
                rates=Rates(per_minute, rate_url),
                open_paths={"/open"},
            ),
            Middleware(Bodies, most=most, limit_s=limit_s),
        ],
    )


def status(
    app: Starlette,
    path: str = "/told",
    *,
    method: str = "GET",
    client: tuple[str, int] | None = HOME,
    headers: Mapping[str, str] | None = None,
) -> int:
    return run(Client(app, client).ask(method, path, headers=headers)).status


# Keys.


def test_a_key_is_asked_for_and_says_who_asks() -> None:
    """Either header will do, and nobody else's key."""
    app = guarded(f"ada:{ADA}", f"bob:{BOB}")

    async def asked(**headers: str) -> tuple[int, object]:
        answer = await Client(app, AWAY).get("/told", **headers)
        return answer.status, answer.json.get("owner")

    assert run(asked(**{"X-API-Key": ADA})) == (200, "ada")
    assert run(asked(Authorization=f"Bearer {BOB}")) == (200, "bob")
    assert run(asked(Authorization=f"bearer {BOB}")) == (200, "bob")
    assert run(asked()) == (401, None)
    assert run(asked(Authorization=f"Basic {BOB}")) == (401, None)
    for wrong in ("", "x", ADA[:-1], ADA + "x", f"ada:{ADA}", "\xe4" * 20):
        assert run(asked(**{"X-API-Key": wrong})) == (401, None), wrong


def test_a_refusal_is_a_problem_that_says_what_to_do() -> None:
    """In the form of RFC 9457, with the header that RFC 9110 asks for."""
    answer = run(Client(guarded(f"ada:{ADA}"), AWAY).get("/told"))

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json == {
        "type": "urn:cotality:problem:no-key",
        "title": "Unauthorized",
        "status": 401,
        "detail": "no API key was sent: send one in the header X-API-Key, or as "
        "Authorization: Bearer",
    }


def test_a_key_may_be_told_by_its_digest() -> None:
    """So that the secret stands nowhere but with whoever uses it."""
    secret, digest = new_key()
    app = guarded(f"ada:{digest}")

    assert digest == f"sha256={hashlib.sha256(secret.encode()).hexdigest()}"
    assert status(app, headers={"X-API-Key": secret}) == 200
    assert status(app, headers={"X-API-Key": digest}) == 401


def test_no_more_than_digests_is_kept() -> None:
    """Whoever sees the memory of the service learns no key."""
    keys = Keys([f"ada:{ADA}", BOB])

    assert ADA not in repr(vars(keys))
    assert keys.name_of(BOB.encode()) == hashlib.sha256(BOB.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ada:sh0rt-0ne", "too short to be secret: 9 characters"),
        ("ada:", "too short"),
        ("a b:0123456789abcdef", "no proper name"),
        (":0123456789abcdef", "no proper name"),
        ("ada:sha256=12", "must have 64 hexadecimal digits"),
        ("ada:0123456789abcdeä", "no header can carry"),
    ],
)
def test_what_cannot_be_a_key_is_refused(text: str, says: str) -> None:
    """And never repeated: it may be one that has only been mistyped."""
    with pytest.raises(ValueError, match=says) as caught:
        Keys([text])

    secret = text.partition(":")[2].removeprefix("sha256=")
    assert not secret or secret not in str(caught.value).replace("64", "")


def test_two_keys_of_one_name_are_refused() -> None:
    """Nobody could tell their owners apart."""
    with pytest.raises(ValueError, match="two API keys are called 'ada'"):
        Keys([f"ada:{ADA}", f"ada:{BOB}"])


def test_what_is_open_needs_no_key() -> None:
    """Such as the page, and what a load balancer asks."""
    app = guarded(f"ada:{ADA}", per_minute=1)

    assert [status(app, "/open", client=AWAY) for _ in range(3)] == [200] * 3
    assert status(app, "/open/more", client=AWAY) == 401


# Without keys.


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (HOME, 200),
        (("127.8.9.1", 1), 200),
        (("::1", 1), 200),
        (("::ffff:127.0.0.1", 1), 200),
        (AWAY, 403),
        (("::ffff:192.0.2.7", 1), 403),
        (("10.0.0.1", 1), 403),
        (("172.17.0.1", 1), 403),  # what a container sees of its host's callers
        (("", 0), 403),  # a Unix socket, where a proxy sits as a rule
        (None, 403),
        (("testclient", 1), 403),
    ],
)
def test_without_keys_this_machine_alone_is_served(
    client: tuple[str, int] | None, expected: int
) -> None:
    """Whoever else asks is told how to change that."""
    answer = run(Client(guarded(), client).get("/told"))

    assert answer.status == expected
    if expected == 403:
        assert "COTALITY_WEB_API_KEYS" in answer.json["detail"]


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "192.0.2.7"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 nginx"},
        {"X-Forwarded-Host": "example.org"},
    ],
)
def test_what_has_come_through_a_proxy_is_not_from_here(
    header: dict[str, str],
) -> None:
    """Whatever it says; and with keys it does not matter."""
    assert status(guarded(), headers=header) == 403
    keyed = guarded(f"ada:{ADA}")
    assert status(keyed, headers={"X-API-Key": ADA, **header}) == 200
    assert status(keyed, headers=header) == 401


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("LOCALHOST.:8001", 200),
        ("127.0.0.1:8001", 200),
        ("127.1.2.3", 200),
        ("[::1]:8001", 200),
        ("service.test:8001", 200),
        ("evil.example:8001", 403),
        ("localhost.evil.example", 403),
        ("localhost@evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.0.2.7", 403),
        ("0.0.0.0:8001", 403),
        ("localhost:8001:8001", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_a_name_that_was_made_to_mean_this_machine_is_refused(
    host: str, expected: int
) -> None:
    """A page of that name would be taken for one of ours (DNS rebinding)."""
    assert status(guarded(hosts=["Service.test"]), headers={"Host": host}) == expected


def test_with_keys_hosts_are_only_asked_for_if_some_are_named() -> None:
    """The service may have any name then; who has no key gets nothing anyway."""
    sent = {"X-API-Key": ADA, "Host": "api.example.org"}

    assert status(guarded(f"ada:{ADA}"), headers=sent) == 200
    assert status(guarded(f"ada:{ADA}", hosts=["example.org"]), headers=sent) == 403
    assert status(guarded(f"ada:{ADA}", hosts=["api.example.org"]), headers=sent) == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),  # no browser
        ({"Origin": "http://localhost:8001", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://localhost:8001"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),  # typed by a person
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://localhost:8001.evil.example"}, 403),
        ({"Origin": "file://localhost:8001"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
    ],
)
def test_a_page_of_another_site_gets_nothing(
    method: str, headers: dict[str, str], expected: int
) -> None:
    """A browser says which page has sent a request, and no page can change that."""
    assert status(guarded(), method=method, headers=headers) == expected


def test_a_link_of_another_site_leads_here_and_starts_nothing() -> None:
    """To visit the page is no harm; to send it a form is."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    assert status(guarded(), headers=link) == 200
    assert status(guarded(), headers={**link, "Sec-Fetch-Dest": "document"}) == 200
    assert status(guarded(), headers={**link, "Sec-Fetch-Dest": "iframe"}) == 403
    assert status(guarded(), method="POST", headers=link) == 403


def test_only_addresses_of_this_machine_are_loopback() -> None:
    """Also with the name of an interface behind it."""
    assert is_loopback("::1%lo")
    assert not is_loopback("localhost.evil.example")
    assert not is_loopback("fe80::1%eth0")


# Rates.


def test_the_hundred_and_first_request_of_a_minute_is_refused() -> None:
    """It says when to come again; others are answered meanwhile."""
    app = guarded(f"ada:{ADA}", f"bob:{BOB}")

    async def asked() -> None:
        client = Client(app, AWAY)
        for _ in range(100):
            assert (await client.get("/told", **{"X-API-Key": ADA})).status == 200
        refused = await client.get("/told", **{"X-API-Key": ADA})
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json["limit"] == 100
        assert (await client.get("/told", **{"X-API-Key": BOB})).status == 200

    run(asked())


def test_a_clock_that_is_put_back_refuses_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minute is one, whatever the time of day does meanwhile."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.time", lambda: 5000.0 - now[0])
    rates = Rates(2)

    assert [rates.here.hit("ada") for _ in range(3)] == [None, None, 60.0]
    now[0] += 59.0
    assert rates.here.hit("ada") == 1.0
    now[0] += 1.0
    assert [rates.here.hit("ada") for _ in range(3)] == [None, None, 60.0]


def test_without_keys_nobody_is_counted() -> None:
    """What this machine asks itself is its own affair."""
    app = guarded(per_minute=1)

    assert [status(app) for _ in range(3)] == [200] * 3


def test_several_processes_count_together_in_redis() -> None:
    """And each by itself while it is away, so that requests go on."""
    with redis_server() as url:
        if url is None:
            pytest.skip("needs redis-server")

        async def asked() -> None:
            one, other = Rates(3, url), Rates(3, url)
            assert [await one.hit("ada") for _ in range(2)] == [None, None]
            assert await other.hit("ada") is None
            again = await one.hit("ada")
            assert again is not None
            assert 0 <= again <= 60
            assert await other.hit("bob") is None
            assert not one.is_degraded
            await one.close()
            await other.close()

        run(asked())


def test_a_count_that_is_away_does_not_hold_up_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are counted here then, which the log says once."""

    async def asked() -> None:
        rates = Rates(2, "redis://127.0.0.1:1/0")
        assert await rates.hit("ada") is None
        assert rates.is_degraded
        assert await rates.hit("ada") is None
        assert await rates.hit("ada") is not None
        await rates.close()

    run(asked())
    assert caplog.text.count("requests are counted in this process for now") == 1


# Bodies.


def test_a_body_that_is_too_large_is_refused() -> None:
    """Whether it says so, or only turns out to be; and nothing of it is kept."""
    app = guarded(most=1000)

    async def asked(*parts: bytes) -> tuple[int, object]:
        body = parts[0] if len(parts) == 1 else parts
        answer = await Client(app).ask("POST", "/told", body)
        return answer.status, answer.json.get("bytes", answer.json.get("limit"))

    assert run(asked(b"x" * 1000)) == (200, 1000)
    assert run(asked(b"x" * 1001)) == (413, 1000)
    assert run(asked(b"x" * 600, b"x" * 400)) == (200, 1000)
    assert run(asked(b"x" * 600, b"x" * 401)) == (413, 1000)


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    """A client that asks first need not send it."""

    async def asked() -> int:
        client = Client(guarded(most=1000))
        sent = client.begin("POST", "/told", [], {"Content-Length": "1001"})
        return (await sent.end()).status

    assert run(asked()) == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """Nor for one that comes in small pieces."""

    async def asked() -> int:
        client = Client(guarded(limit_s=0.05))
        sent = client.begin("POST", "/told", [b"a"], {"Transfer-Encoding": "chunked"})
        sent.incoming = asyncio.Queue()
        for _ in range(3):
            sent.incoming.put_nowait(
                {"type": "http.request", "body": b"a", "more_body": True}
            )
        return (await sent.end()).status

    assert run(asked()) == 408


def test_a_client_that_hangs_up_before_its_body_is_there_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is answered, and nothing is logged."""

    async def asked() -> int:
        client = Client(guarded())
        sent = client.begin("POST", "/told", [b"a", b"b"])
        sent.incoming = asyncio.Queue()
        sent.hang_up()
        return (await sent.end()).status

    assert run(asked()) == 0
    assert not caplog.records


# What browsers are told, and faults of ours.


@pytest.mark.parametrize("path", ["/told", "/nowhere", "/failing"])
def test_every_answer_says_what_a_browser_may_do_with_it(path: str) -> None:
    """Nothing from other hosts, nothing inline, not in a frame; refusals as well."""
    for client in (HOME, AWAY):
        headers = run(Client(guarded(), client).get(path)).headers

        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_a_fault_of_ours_says_nothing_of_the_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """But a number, by which it is found in the log."""
    answer = run(Client(guarded()).get("/failing"))

    assert answer.status == 500
    assert b"secret" not in answer.body
    number = json.loads(answer.body)["fault"]
    assert f"fault {number}" in caplog.text
    assert "a secret of ours" in caplog.text
