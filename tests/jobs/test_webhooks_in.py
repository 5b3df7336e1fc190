"""Webhooks that come in: taken if they are signed, stored once, and answered then."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs.webhooks import (
    Answer,
    Event,
    GithubSignature,
    MalformedWebhookError,
    Receiver,
    Signature,
    SignatureError,
    StandardWebhook,
    StripeSignature,
    TooLargeError,
    TooOldError,
)
from tests.kit.at_once import at_once

pytest.importorskip("standardwebhooks", reason="the extra of jobs is not installed")

NOW = 1_800_000_000
OLD, NEW = "whsec_b2xkLXNlY3JldC0xMjM0NTY3OA==", "whsec_bmV3LXNlY3JldC0xMjM0NTY3OA=="
BODY = b'{"id": "evt_1", "type": "payment.succeeded", "data": {"amount": 7}}'


def now() -> float:
    return NOW


# Signatures by the letter of each specification, not by the code that is tested.


def standard(
    body: bytes = BODY, secret: str = NEW, at: int = NOW, id: str = "msg_1"
) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{id}.{at}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "Webhook-Id": id,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1a,AAAA v1,{signature}",
    }


def stripe(body: bytes = BODY, secret: str = NEW, at: int = NOW) -> dict[str, str]:
    signed = f"{at}.".encode() + body
    right = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"STRIPE-SIGNATURE": f"t={at},v0=abc,v1={'0' * 64},v1={right}"}


def github(body: bytes = BODY, secret: str = NEW, at: int = NOW) -> dict[str, str]:
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-hub-signature-256": f"sha256={right}",
        "X-GitHub-Delivery": "72d3162e-cc78",
        "X-GitHub-Event": "push",
    }


Sign = Callable[..., dict[str, str]]
KINDS: dict[str, tuple[Any, Sign, dict[str, Any]]] = {
    "standard": (StandardWebhook, standard, {"now": now}),
    "stripe": (StripeSignature, stripe, {"now": now}),
    "github": (GithubSignature, github, {}),
}
TIMED = {name: kind for name, kind in KINDS.items() if name != "github"}


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> tuple[Any, Sign, dict[str, Any]]:
    return request.param


@pytest.fixture
def signature(kind: tuple[Any, Sign, dict[str, Any]]) -> Signature:
    """One that knows an old and a new secret."""
    make, _, more = kind
    return make(secrets=[OLD, NEW], **more)


@pytest.fixture
def sign(kind: tuple[Any, Sign, dict[str, Any]]) -> Sign:
    return kind[1]


@pytest.fixture
def receiver(signature: Signature) -> Receiver:
    return Receiver(signature)


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["old", "new"])
def test_a_right_signature(receiver: Receiver, sign: Sign, secret: str) -> None:
    """Of the old secret or the new one: the event is what the body says."""
    event = receiver.receive(sign(secret=secret), BODY)

    assert event.data == json.loads(BODY)
    assert event.body == BODY
    assert event.job_id == f"{event.source}:{event.id}"
    wanted = {
        "standard": ("msg_1", "payment.succeeded", NOW),
        "stripe": ("evt_1", "payment.succeeded", NOW),
        "github": ("72d3162e-cc78", "push", None),
    }
    at = event.at.timestamp() if event.at else None
    assert (event.id, event.kind, at) == wanted[event.source]


def test_another_secret(receiver: Receiver, sign: Sign) -> None:
    """Is refused."""
    with pytest.raises(SignatureError, match="by any of the secrets"):
        receiver.receive(sign(secret="whsec_c29tZWJvZHktZWxzZQ=="), BODY)


@pytest.mark.parametrize(
    "body",
    [BODY.replace(b"7", b"8"), BODY + b" ", b"", b"\xff" + BODY],
    ids=["changed", "longer", "empty", "no text"],
)
def test_another_body(receiver: Receiver, sign: Sign, body: bytes) -> None:
    """Is refused, if a single byte is another one."""
    with pytest.raises(SignatureError):
        receiver.receive(sign(), body)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: "",
        lambda value: "nonsense",
        lambda value: value[:-1],
        lambda value: value[:-4] + "ÄÖÜß",
        lambda value: value.replace("v1", "v2").replace("sha256", "sha1"),
        lambda value: ",,, = ,v1,v1= v1,a,b t=",
        lambda value: "v1," + "A" * 50_000,
    ],
    ids=["none", "nonsense", "cut", "letters", "version", "parts", "long"],
)
def test_a_wrong_signature(
    receiver: Receiver, sign: Sign, spoil: Callable[[str], str]
) -> None:
    """Is refused, however it is wrong."""
    headers = {
        name: spoil(value) if "signature" in name.lower() else value
        for name, value in sign().items()
    }

    with pytest.raises(SignatureError):
        receiver.receive(headers, BODY)


def test_no_header_at_all(receiver: Receiver, sign: Sign) -> None:
    """Each of those that count has to be there."""
    with pytest.raises(SignatureError, match="is missing"):
        receiver.receive({}, BODY)
    for name in sign():
        headers = {each: value for each, value in sign().items() if each != name}
        with pytest.raises(SignatureError, match=f"{name.lower()} is missing"):
            receiver.receive(headers, BODY)


def test_a_header_that_is_there_twice(receiver: Receiver, sign: Sign) -> None:
    """Nobody knows which of them others have looked at."""

    class Pairs(list[tuple[str, str]]):
        def items(self) -> Pairs:
            return self

    pairs = Pairs(sign().items())

    with pytest.raises(SignatureError, match="is there twice"):
        receiver.receive(Pairs([(name, "other") for name, _ in pairs] + pairs), BODY)
    assert receiver.receive(Pairs(pairs * 2), BODY)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("age", [301, -301, 10**8], ids=["old", "future", "ancient"])
def test_a_signature_of_another_time(name: str, age: int) -> None:
    """Is refused beyond 300 seconds, either way."""
    make, sign, more = TIMED[name]
    receiver = Receiver(make(secrets=[NEW], **more))

    with pytest.raises(TooOldError, match="300 s are accepted"):
        receiver.receive(sign(at=NOW - age), BODY)
    assert receiver.receive(sign(at=NOW - 300), BODY)
    assert receiver.receive(sign(at=NOW + 300), BODY)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("stamp", ["", "x", "nan", "-1", "1e9", "9" * 400, "٣"])
def test_a_time_that_is_none(name: str, stamp: str) -> None:
    """Is refused as a signature is."""
    make, sign, more = TIMED[name]
    headers = {each: value.replace(str(NOW), stamp) for each, value in sign().items()}

    with pytest.raises(SignatureError):
        Receiver(make(secrets=[NEW], **more)).receive(headers, BODY)


@pytest.mark.parametrize("event_id", ["m\u00fc", "\ud800", "\u0661"])
def test_an_id_that_no_header_has(event_id: str) -> None:
    """Is that of nobody, whatever a server makes of strange bytes."""
    headers = {**standard(), "Webhook-Id": event_id}
    receiver = Receiver(StandardWebhook([NEW], now=now), print)

    assert receiver.answer(headers, BODY).status == 401


@pytest.mark.parametrize("age", [0, -1, float("nan"), "300", None, True])
@pytest.mark.parametrize("kind", [StandardWebhook, StripeSignature])
def test_an_age_that_is_none(kind: Any, age: Any) -> None:
    """Is refused at once: with some of them any age would be right."""
    with pytest.raises((TypeError, ValueError), match="max_age_s must be"):
        kind([NEW], max_age_s=age)


@pytest.mark.parametrize("size", [0, -1, 1.5, "5", None, True])
def test_a_size_that_is_none(signature: Signature, size: Any) -> None:
    """Likewise."""
    with pytest.raises(ValueError, match="max_body must be a number of bytes"):
        Receiver(signature, max_body=size)


def test_a_body_that_is_too_large(receiver: Receiver, sign: Sign) -> None:
    """Is not even looked at; the limit itself is accepted."""
    body = b'{"id": "evt_1", "data": "' + b"x" * 999_973 + b'"}'
    assert len(body) == 1_000_000

    assert receiver.receive(sign(body), body)
    with pytest.raises(TooLargeError, match="1,000,001 bytes"):
        receiver.receive({}, body + b" ")


@pytest.mark.parametrize("body", [b"a=1", b"[" * 100_000])
def test_a_body_that_is_no_json(receiver: Receiver, sign: Sign, body: bytes) -> None:
    """Though signed, it is nothing that we can read."""
    with pytest.raises(MalformedWebhookError, match="not valid JSON"):
        receiver.receive(sign(body), body)


@pytest.mark.parametrize("event_id", [None, 7, "", "x" * 201, "a\nb", "ä"])
def test_an_id_that_is_none(event_id: object) -> None:
    """An event without one could not be known when it comes again."""
    body = json.dumps({"id": event_id}).encode()

    with pytest.raises(MalformedWebhookError, match="id"):
        Receiver(StripeSignature([NEW], now=now)).receive(stripe(body), body)


# Stored, and answered.


class Table:
    """A store that keeps each id once, as that of jobs does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_down = False
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE job (id PRIMARY KEY)")

    def store(self, event: Event) -> None:
        if self.is_down:
            raise ConnectionError("no database")
        with closing(sqlite3.connect(self.path, timeout=30)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("INSERT OR IGNORE INTO job VALUES (?)", [event.job_id])

    @property
    def ids(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as database:
            return [row[0] for row in database.execute("SELECT id FROM job")]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "jobs.db")


def test_a_hundred_times_the_same_event(
    signature: Signature, sign: Sign, table: Table
) -> None:
    """At once: each is answered with 200, and there is one job."""
    receiver = Receiver(signature, table.store)

    def deliver() -> list[Answer]:
        return [receiver.answer(sign(), BODY) for _ in range(5)]

    received = Answer(200, {"status": "received"})
    assert at_once(*[deliver] * 20) == [[received] * 5] * 20
    assert len(table.ids) == 1


def test_what_cannot_be_stored_is_not_answered_with_200(
    signature: Signature, sign: Sign, table: Table
) -> None:
    """The failure is the server's, which answers 500, and the sender comes again."""
    receiver = Receiver(signature, table.store)
    table.is_down = True

    with pytest.raises(ConnectionError, match="no database"):
        receiver.answer(sign(), BODY)

    table.is_down = False
    assert receiver.answer(sign(), BODY).status == 200
    assert len(table.ids) == 1


def test_what_is_refused_is_not_stored(
    signature: Signature, sign: Sign, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer says no more than that; our log says what was wrong."""
    receiver = Receiver(signature, table.store, max_body=100)

    assert receiver.answer({}, BODY) == Answer(401, {"error": "invalid signature"})
    assert receiver.answer({}, b" " * 101) == Answer(413, {"error": "too large"})
    answer = receiver.answer(sign(b"no"), b"no")
    assert (answer.status, answer.text) == (400, '{"error": "no event"}')

    assert table.ids == []
    assert "is missing" in caplog.text


def test_stored_in_an_event_loop(signature: Signature, sign: Sign) -> None:
    """By something asynchronous, or something that is not."""
    stored = []

    async def store(event: Event) -> None:
        await asyncio.sleep(0)
        stored.append(event.id)

    def store_now(event: Event) -> None:
        stored.append(event.id)

    async def main() -> list[Answer]:
        return [
            await Receiver(signature, each).answer_async(headers, BODY)
            for each, headers in [(store, sign()), (store_now, sign()), (store, {})]
        ]

    assert [each.status for each in asyncio.run(main())] == [200, 200, 401]
    assert len(stored) == 2


def test_a_store_that_nobody_awaits_is_not_answered_with_200(
    signature: Signature, sign: Sign
) -> None:
    """It has stored nothing: the sender comes again."""

    async def store(event: Event) -> None:
        raise AssertionError(event)

    with pytest.raises(TypeError, match=r"await receiver\.answer_async"):
        Receiver(signature, store).answer(sign(), BODY)


@pytest.mark.parametrize(
    ("secrets", "error"),
    [([], ValueError), ([""], ValueError), ([" a"], ValueError), (["a\n"], ValueError)],
)
def test_secrets_that_are_none(
    kind: tuple[Any, Sign, dict[str, Any]], secrets: list[str], error: type[Exception]
) -> None:
    """Are refused at once: with them anybody, or nobody, would be let in."""
    with pytest.raises(error):
        kind[0](secrets)
    for wrong in (NEW, [7], None):
        with pytest.raises(TypeError):
            kind[0](wrong)


def test_no_secret_is_shown(signature: Signature) -> None:
    """In no text about what knows it, and in no message."""
    assert NEW not in repr(signature)
    for wrong in ("whsec_sécret", "whsec_a secret!", "whsec_", "a"):
        with pytest.raises(ValueError, match="is base64") as caught:
            StandardWebhook([wrong])
        assert caught.value.__suppress_context__
    assert StandardWebhook([NEW.rstrip("="), NEW.removeprefix("whsec_")])


def test_headers_of_frameworks(receiver: Receiver, sign: Sign) -> None:
    """Whatever they keep headers in, and however they spell their names."""
    from django.http.request import HttpHeaders
    from starlette.datastructures import Headers as OfStarlette
    from werkzeug.datastructures import EnvironHeaders

    raw = [(name.lower().encode(), each.encode()) for name, each in sign().items()]
    names = {f"HTTP_{name.upper().replace('-', '_')}": name for name in sign()}
    environ = {name: sign()[header] for name, header in names.items()}

    for headers in (
        OfStarlette(raw=raw),
        HttpHeaders(environ),
        EnvironHeaders(environ),
    ):
        assert receiver.receive(headers, BODY).data == json.loads(BODY)


def test_what_is_no_body(receiver: Receiver) -> None:
    """JSON that a framework has read is not what was signed."""
    with pytest.raises(TypeError, match="must be the bytes of the request"):
        receiver.receive({}, {"id": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nowhere to store"):
        Receiver(GithubSignature([NEW])).answer(github(), BODY)
