"""Webhooks that go out: signed, tried again as is due, and never into our network."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs._jobs.webhooks.addresses import is_public
from cotality.jobs._jobs.webhooks.sender import SCHEDULE, retry_after
from cotality.jobs._jobs.webhooks.targets import target_of
from cotality.jobs.webhooks import (
    BlockedError,
    Delivered,
    DeliveryError,
    Endpoint,
    FileStates,
    Message,
    Receiver,
    Response,
    StandardWebhook,
    Transport,
    UnreachableError,
    WebhookSender,
)
from tests.jobs.hooked import Hook, hook, raw_server
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python

pytest.importorskip("standardwebhooks", reason="the extra of jobs is not installed")

OLD, NEW = "whsec_b2xkLXNlY3JldC0xMjM0NTY3OA==", "whsec_bmV3LXNlY3JldC0xMjM0NTY3OA=="
HERE = {"allow": ["127.0.0.0/8"], "allow_http": True}


class Clock:
    """A time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states(tmp_path: Path) -> FileStates:
    return FileStates(tmp_path / "endpoints.db")


@pytest.fixture
def sender(states: FileStates, clock: Clock) -> WebhookSender:
    return WebhookSender(
        states, transport=Transport(**HERE), now=clock, jitter=lambda: 0.5
    )


def endpoint(url: str, *, secrets: Iterable[str] = (NEW,)) -> Endpoint:
    return Endpoint("partner", url, list(secrets))


def send_until_settled(
    sender: WebhookSender, to: Endpoint, clock: Clock
) -> tuple[Delivered | DeliveryError, list[float]]:
    """What becomes of a message in the end, and the pauses on the way."""
    message, pauses, attempt = Message.of("user.updated", {"id": 7}), [], 1
    while True:
        try:
            return sender.send(message, to, attempt), pauses
        except DeliveryError as error:
            if error.retry_in is None:
                return error, pauses
            pauses.append(error.retry_in)
            clock.time += error.retry_in
            attempt += error.is_attempt


# What arrives.


def test_a_message_arrives_signed(sender: WebhookSender, clock: Clock) -> None:
    """With both secrets while they are being changed; who gets it can check either."""
    message = Message.of("user.updated", {"id": 7, "name": "Zoë"})
    with hook() as listener:
        to = Endpoint(
            "partner", f"{listener.url}?a=b", [OLD, NEW], {"X-Customer": "12"}
        )
        delivered = sender.send(message, to, 1)

    assert delivered.status == 200
    [got] = listener.got
    assert got.path == "/hook?a=b"
    assert got.headers["Host"] == f"127.0.0.1:{listener.port}"
    assert got.headers["X-Customer"] == "12"
    for secret in (OLD, NEW):
        receiver = Receiver(StandardWebhook([secret], now=clock))
        event = receiver.receive(got.headers, got.body)
        assert (event.id, event.kind) == (message.id, "user.updated")
        assert event.data["data"] == {"id": 7, "name": "Zoë"}


def test_three_failures_and_then_success(sender: WebhookSender, clock: Clock) -> None:
    """Four requests of one id, each signed anew, in the pauses of the schedule."""
    answers = [(500, {}), (503, {}), (429, {}), (204, {})]
    with hook(answers) as listener:
        ended, pauses = send_until_settled(sender, endpoint(listener.url), clock)

    assert isinstance(ended, Delivered)
    assert pauses == [5, 300, 1800]
    assert len(listener.got) == 4
    assert len({got.headers["webhook-id"] for got in listener.got}) == 1
    assert len({got.body for got in listener.got}) == 1
    stamps = [int(got.headers["webhook-timestamp"]) for got in listener.got]
    assert stamps == [1_800_000_000 + past for past in (0, 5, 305, 2105)]
    for got, stamp in zip(listener.got, stamps, strict=True):
        receiver = Receiver(StandardWebhook([NEW], now=lambda stamp=stamp: stamp))
        assert receiver.receive(got.headers, got.body).id


def test_the_whole_schedule(
    tmp_path: Path, clock: Clock, sender: WebhookSender
) -> None:
    """Ten attempts within four days, and then no more."""
    sender.states = FileStates(tmp_path / "patient.db", failures=100)
    with hook([(500, {})]) as listener:
        ended, pauses = send_until_settled(sender, endpoint(listener.url), clock)

    assert isinstance(ended, DeliveryError)
    assert "answered 500" in str(ended)
    assert pauses == list(SCHEDULE[1:])
    assert len(listener.got) == 10


@pytest.mark.parametrize("schedule", [[], [-1], [float("nan")], [float("inf")]])
def test_a_schedule_that_is_none(states: FileStates, schedule: list[float]) -> None:
    """Is refused when the sender is made."""
    with pytest.raises(ValueError, match="seconds before each attempt"):
        WebhookSender(states, schedule=schedule)


def test_pauses_are_spread(states: FileStates) -> None:
    """By a fifth either way, so that what failed together does not come together."""
    low, high = (
        WebhookSender(states, jitter=lambda part=part: part).pause_after(2)
        for part in (0.0, 1.0)
    )

    assert (low, high) == pytest.approx((240, 360))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_is_refused_is_not_sent_again(
    sender: WebhookSender, clock: Clock, status: int
) -> None:
    """The receiver does not want it."""
    with hook([(status, {})], body=b"not \x1b[31m mine") as listener:
        ended, pauses = send_until_settled(sender, endpoint(listener.url), clock)

    assert pauses == []
    assert len(listener.got) == 1
    assert str(ended) == f"'partner' answered {status}: not \\x1b[31m mine"


@pytest.mark.parametrize("status", [302, 408, 409, 425, 429, 500, 599])
def test_what_may_be_otherwise_later_is_sent_again(
    sender: WebhookSender, clock: Clock, status: int
) -> None:
    """After the pause that is due."""
    with hook([(status, {}), (200, {})]) as listener:
        ended, pauses = send_until_settled(sender, endpoint(listener.url), clock)

    assert isinstance(ended, Delivered)
    assert pauses == [5]


def test_gone_disables_the_endpoint(
    sender: WebhookSender, states: FileStates, clock: Clock
) -> None:
    """For all messages of all processes, until it is enabled again."""
    with hook([(410, {}), (200, {})]) as listener:
        to = endpoint(listener.url)
        first, pauses = send_until_settled(sender, to, clock)
        other = WebhookSender(FileStates(states.path), transport=sender.transport)
        second, _ = send_until_settled(other, to, clock)

        assert len(listener.got) == 1
        assert pauses == []
        assert "answered 410" in str(first)
        assert str(second) == (
            "the endpoint 'partner' is disabled: it answered 410 Gone"
        )
        states.enable("partner")
        assert isinstance(send_until_settled(sender, to, clock)[0], Delivered)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        (formatdate(1_800_000_060, usegmt=True), 60),
        (formatdate(1_700_000_000, usegmt=True), 0),
        ("9" * 5000, 86_400),
        ("-5", 0),
        ("soon", 0),
        ("nan", 0),
        ("", 0),
    ],
)
def test_how_long_the_receiver_wants_to_be_left_alone(
    value: str, seconds: float
) -> None:
    """In seconds, or until a date, and a day at most."""
    answer = Response(429, {"retry-after": value}, b"")

    assert retry_after(answer, 1_800_000_000) == seconds


@pytest.mark.parametrize(
    "value",
    ["Fri, 31 Dec 1999 23:59:59 +99999999999999999", f"0 Dec {'9' * 30} 23:59:59"],
)
def test_a_pause_that_no_calendar_has(value: str) -> None:
    """Is none, whatever a stranger writes there."""
    assert retry_after(Response(503, {"retry-after": value}, b""), 1_800_000_000) == 0


def test_a_longer_pause_that_is_asked_for(sender: WebhookSender, clock: Clock) -> None:
    """Counts; a shorter one does not."""
    longer = [(429, {"Retry-After": "600"}), (503, {"Retry-After": "1"}), (200, {})]
    with hook(longer) as listener:
        _, pauses = send_until_settled(sender, endpoint(listener.url), clock)

    assert pauses == [600, 300]


# What is known of endpoints is not to be had.


class Broken(FileStates):
    """States in a file that is locked, or full, or gone."""

    reads = False

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        if not self.reads:
            raise sqlite3.OperationalError("database is locked")
        self.reads = False  # the next one fails
        with super().opened() as database:
            yield database


def test_states_that_cannot_be_read_cost_an_attempt(
    tmp_path: Path, clock: Clock
) -> None:
    """And not the message, which has not been sent."""
    sender = WebhookSender(Broken(tmp_path / "x"), now=clock, jitter=lambda: 0.5)
    to = endpoint("https://partner.example/hook")

    for attempt, pause in ((1, 5), (len(SCHEDULE), None)):
        with pytest.raises(DeliveryError, match=r"cannot be read: .*locked") as caught:
            sender.send(Message.of("a", 1), to, attempt)
        assert (caught.value.retry_in, caught.value.is_attempt) == (pause, True)


@pytest.mark.parametrize(
    ("status", "retry_in"), [(200, None), (500, 5), (400, None), (410, None)]
)
def test_states_that_cannot_be_written_change_no_answer(
    tmp_path: Path,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    status: int,
    retry_in: float | None,
) -> None:
    """What has arrived has arrived."""
    states = Broken(tmp_path / "endpoints.db")
    sender = WebhookSender(
        states, transport=Transport(**HERE), now=clock, jitter=lambda: 0.5
    )

    def pause(endpoint_id: str, now: float) -> float:
        return 0.0

    states.reads, states.pause = True, pause  # type: ignore[method-assign]
    with hook([(status, {})]) as listener:
        to = endpoint(listener.url)
        if status == 200:
            assert sender.send(Message.of("a", 1), to, 1).status == 200
        else:
            with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
                sender.send(Message.of("a", 1), to, 1)
            assert caught.value.retry_in == retry_in
    assert "is not noted: OperationalError: database is locked" in caplog.text


def test_states_are_where_they_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a process that goes to another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    states = FileStates("endpoints.db")
    monkeypatch.chdir(elsewhere)
    states.disable("7", "gone")

    assert FileStates(tmp_path / "endpoints.db").disabled("7") == "gone"


# An endpoint that fails all the time.


def test_it_is_left_alone_for_a_while(
    sender: WebhookSender, states: FileStates, clock: Clock
) -> None:
    """After five failures in a row one message in a minute tries, the others wait."""
    with hook([(500, {})] * 6 + [(200, {})]) as listener:
        to = endpoint(listener.url)

        def send() -> DeliveryError:
            with pytest.raises(DeliveryError) as caught:
                sender.send(Message.of("a", 1), to, 1)
            return caught.value

        for _ in range(5):
            assert send().is_attempt
        waiting = [send() for _ in range(20)]
        assert len(listener.got) == 5
        assert not any(each.is_attempt for each in waiting)
        assert all(0 < (each.retry_in or 0) <= 72 for each in waiting)
        assert "left alone for 60 s" in str(waiting[0])

        clock.time += 61
        assert send().is_attempt
        assert not send().is_attempt
        clock.time += 61
        assert sender.send(Message.of("a", 1), to, 1)
        assert sender.send(Message.of("a", 1), to, 1)
        assert states.pause("another", clock()) == 0


def test_one_of_many_tries(states: FileStates, clock: Clock) -> None:
    """However many ask, by whatever clocks."""
    for _ in range(5):
        states.note_failure("a", clock())
    clock.time += 61

    assert [states.pause("a", clock()) for _ in range(3)] == [0, 60, 60]
    assert states.pause("a", 0.0) == 60


# Where nothing is sent to.


class Network:
    """A resolver and a way to connect that write down what they are asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def connect(self, address: tuple[str, int], timeout: float) -> socket.socket:
        self.connected.append(address)
        if not address[0].startswith("127."):
            raise ConnectionRefusedError("no test talks to strangers")
        return socket.create_connection(address, timeout)

    def transport(self, **more: Any) -> Transport:
        return Transport(resolve=self.resolve, connect=self.connect, **more)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.100.100.200", "100.64.0.1", "168.63.129.16"),
        *("192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "192.88.99.1", "::1", "::", "::127.0.0.1", "fe80::1"),
        *("fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
        *("2002:7f00:1::1", "2001:0:4136:e378::1", "2001:db8::1", "100::1"),
    ],
)
@pytest.mark.parametrize("others", [[], ["93.184.216.34"]], ids=["alone", "second"])
def test_an_address_that_is_not_public(address: str, others: list[str]) -> None:
    """Is not connected to, whoever has it, and whatever other addresses he has."""
    network = Network([*others, address])
    assert not is_public(address)

    with pytest.raises(BlockedError, match="not a public address"):
        network.transport().post("https://hooks.test/", b"{}", {})

    assert network.connected == []


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.216.34", "8.8.8.8", "172.32.0.1", "100.128.0.1", "169.253.0.1"),
        *("2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8"),
        *("64:ff9b::808:808",),
    ],
)
def test_an_address_that_is_public(address: str) -> None:
    """Is, and the port is that of the URL."""
    network = Network([address])

    with pytest.raises(UnreachableError, match="no test talks to strangers"):
        network.transport().post("https://hooks.test:8443/", b"{}", {})

    assert network.connected == [(address, 8443)]


INNER = [
    *(
        "https://127.0.0.1:{port}/",
        "https://[::1]:{port}/",
        "https://localhost:{port}/",
    ),
    *("https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/"),
    *("https://2130706433:{port}/", "https://127.1:{port}/", "https://0x7f000001/"),
    *("https://[::ffff:127.0.0.1]:{port}/", "https://0:{port}/"),
]


@pytest.mark.parametrize("url", INNER)
def test_what_the_system_makes_of_strange_numbers(url: str, states: FileStates) -> None:
    """Nobody listens to them; what listens here hears nothing."""
    with hook() as listener:
        sender = WebhookSender(states)
        to = endpoint(url.format(port=listener.port))
        with pytest.raises(DeliveryError) as caught:
            sender.send(Message.of("a", 1), to, 1)

    # Some systems know no such number, and then it is as if there were no such name.
    assert isinstance(caught.value.__cause__, (BlockedError, UnreachableError))
    assert listener.connections == 0


def test_a_name_that_is_public_first_and_inner_then() -> None:
    """Is asked for once, and what was looked at is what is connected to."""
    with hook() as listener:
        network = Network(["93.184.216.34"], ["127.0.0.1"])
        url = f"https://rebind.test:{listener.port}/"
        with pytest.raises(UnreachableError):
            network.transport().post(url, b"{}", {})
        assert network.asked == ["rebind.test"]
        assert network.connected == [("93.184.216.34", listener.port)]

        with pytest.raises(BlockedError):
            network.transport().post(url, b"{}", {})
    assert listener.connections == 0


def test_a_connection_that_ends_up_elsewhere() -> None:
    """Is closed before anything is sent."""
    with hook() as listener:

        def elsewhere(address: tuple[str, int], timeout: float) -> socket.socket:
            return socket.create_connection(("127.0.0.1", listener.port), timeout)

        transport = Transport(resolve=lambda *_: ["93.184.216.34"], connect=elsewhere)
        with pytest.raises(BlockedError, match="connected to 127"):
            transport.post("https://hooks.test/", b"{}", {})

    assert listener.got == []


def test_a_redirect_is_not_followed(sender: WebhookSender, clock: Clock) -> None:
    """Neither inside nor anywhere."""
    with hook() as inner, hook([(307, {"Location": inner.url})]) as listener:
        with pytest.raises(DeliveryError, match="answered 307"):
            sender.send(Message.of("a", 1), endpoint(listener.url), 1)
        assert len(listener.got) == 1

    assert inner.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.test/", "file:///etc/passwd", "gopher://a.test/", "//a.test/", ""),
        *("https://", "https:///path", "https://user:pw@a.test/", "https://a@b.test/"),
        *("https://a.test:0/", "https://a.test:99999/", "https://a.test:x/"),
        *("https://a.test\\@b.test/", "https://a .test/", "https://a\n.test/"),
        *("https://a..test/", "https://-a.test/", f"https://{'a' * 64}.test/"),
        *(f"https://{'a.' * 130}test/", "https://[::1/", "https://[fe80::1%25lo]/"),
        *("https://a\u2028.test/", "https://exa%6dple.test/", "https://\u2100.test/"),
        *("https://a.test/\r\nX: y", 7, None),
    ],
)
def test_a_url_that_is_none(url: Any) -> None:
    """Is refused when an endpoint is made, and when it comes from elsewhere."""
    with pytest.raises(BlockedError):
        endpoint(url)
    with pytest.raises(BlockedError):
        Transport().post(url, b"", {})


def test_what_a_url_means() -> None:
    """Names of other alphabets are encoded, and so is the path."""
    target = target_of("https://Bücher.example:8443/ä b?q=ö#part".replace(" ", "%20"))

    assert (target.host, target.port) == ("xn--bcher-kva.example", 8443)
    assert target.named == "xn--bcher-kva.example:8443"
    assert target.path == "/%C3%A4%20b?q=%C3%B6"
    assert target_of("https://[2606:4700::1]/").named == "[2606:4700::1]"


def test_http_does_not_leave_the_computer() -> None:
    """And only where that is allowed, which is for tests."""
    network = Network(["93.184.216.34"])
    for more in (
        {},
        {"allow_http": True},
        {"allow": ["93.0.0.0/8"]} | {"allow_http": 1},
    ):
        with pytest.raises(BlockedError, match="not encrypted; use https"):
            network.transport(**more).post("http://a.test/", b"", {})
    with hook() as listener:
        with pytest.raises(BlockedError, match="not encrypted"):
            Transport(allow=["127.0.0.0/8"]).post(listener.url, b"", {})
        with pytest.raises(BlockedError, match="not a public address"):
            Transport(allow_http=True).post(listener.url, b"", {})

    assert network.connected == []
    assert listener.connections == 0


def test_blocked_is_for_good(states: FileStates) -> None:
    """No later attempt would be another one."""
    sender = WebhookSender(states, transport=Network(["10.0.0.1"]).transport())

    with pytest.raises(DeliveryError, match=r"Transport\(allow") as caught:
        sender.send(Message.of("a", 1), endpoint("https://a.test/"), 1)

    assert caught.value.retry_in is None


# Whoever does not answer.


def drip(connection: socket.socket) -> None:
    """Says one byte now and then, for ever."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        if socket_is_closed(connection):
            return


def socket_is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        return connection.recv(65_536) == b""
    except TimeoutError:
        return False


def silent(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def garbage(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def hangs_up(connection: socket.socket) -> None:
    connection.recv(65_536)


def many_headers(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n")


@pytest.mark.parametrize(
    "talk",
    [drip, silent, garbage, hangs_up, many_headers],
    ids=lambda talk: talk.__name__,
)
def test_no_answer(talk: Any, states: FileStates) -> None:
    """Is one that has not come as a whole in time, or is none of HTTP."""
    sender = WebhookSender(states, transport=Transport(timeout_s=0.3, **HERE))
    with raw_server(talk) as port:
        to = endpoint(f"http://127.0.0.1:{port}/")
        with pytest.raises(DeliveryError, match="no answer from") as caught:
            sender.send(Message.of("a", 1), to, 1)

    assert isinstance(caught.value.__cause__, UnreachableError)
    assert caught.value.retry_in is not None


def test_what_is_answered_is_kept() -> None:
    """Its beginning, also if it comes after the headers, which fill a buffer here."""
    begin = b"HTTP/1.0 400 No\r\nX: "
    headers = begin + b"x" * (io.DEFAULT_BUFFER_SIZE - len(begin) - 4) + b"\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(headers + b"a" * 5000)

    with raw_server(talk) as port:
        answer = Transport(**HERE).post(f"http://127.0.0.1:{port}/", b"", {})

    assert answer.excerpt == b"a" * 1000


def test_an_answer_whose_body_never_comes() -> None:
    """Is an answer: its status is what counts."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        silent(connection)

    with raw_server(talk) as port:
        transport = Transport(timeout_s=0.3, **HERE)
        answer = transport.post(f"http://127.0.0.1:{port}/", b"", {})

    assert answer.status == 200


def test_an_address_that_does_not_answer_and_one_that_does() -> None:
    """All addresses of a name are tried."""
    with hook() as listener:
        network = Network(["127.0.0.2", "127.0.0.1"])
        url = f"http://a.test:{listener.port}/"
        answer = network.transport(**HERE).post(url, b"", {})

    assert answer.status == 200
    assert [address for address, _ in network.connected] == ["127.0.0.2", "127.0.0.1"]


def test_a_name_that_nobody_has(states: FileStates) -> None:
    """May have an address later."""

    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    sender = WebhookSender(states, transport=Transport(resolve=resolve))
    with pytest.raises(DeliveryError, match="no such name") as caught:
        sender.send(Message.of("a", 1), endpoint("https://a.test/"), 1)

    assert caught.value.retry_in is not None


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key for hooks.test."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=hooks.test"),
            *("-addext", "subjectAltName=DNS:hooks.test"),
            *("-keyout", file, "-out", f"{file}.crt"),
        ],
        check=True,
        capture_output=True,
        timeout=LONG_S,
    )
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@contextmanager
def encrypted_hook(certificate: Path) -> Iterator[tuple[Hook, list[str]]]:
    """A hook that has *certificate*, and the names that it was called by."""
    names = list[str]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: names.append(name)
    with hook(tls=context) as listener:
        yield listener, names


def test_tls_has_the_name(certificate: Path) -> None:
    """The connection goes to an address, the certificate is checked for the name."""
    network = Network(["127.0.0.1"])
    trust = ssl.create_default_context(cafile=certificate)
    transport = network.transport(allow=["127.0.0.1/32"], tls=trust)
    with encrypted_hook(certificate) as (listener, names):
        answer = transport.post(f"https://hooks.test:{listener.port}/", b"{}", {})

        assert answer.status == 200
        assert names == ["hooks.test"]
        assert listener.got[0].headers["Host"] == f"hooks.test:{listener.port}"

        with pytest.raises(UnreachableError, match="certificate verify failed"):
            transport.post(f"https://other.test:{listener.port}/", b"{}", {})
        strangers = network.transport(allow=["127.0.0.1/32"])
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            strangers.post(f"https://hooks.test:{listener.port}/", b"{}", {})
        assert len(listener.got) == 1


# Through a proxy.


def relaying(asked: list[str], port: int) -> Callable[[socket.socket], None]:
    """A proxy that connects to *port* of this computer, whatever it is asked for."""

    def talk(client: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += client.recv(1)
        asked.append(request.decode())
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
            back = threading.Thread(target=copy, args=[server, client])
            back.start()
            copy(client, server)
            back.join()

    return talk


def copy(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(LONG_S)
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of the two has hung up, and so does the other


def test_through_a_proxy(certificate: Path) -> None:
    """It looks up the name, and TLS goes through it to whom the name belongs."""
    asked = list[str]()
    with (
        encrypted_hook(certificate) as (listener, names),
        raw_server(relaying(asked, listener.port)) as port,
    ):
        transport = Transport(
            proxy=f"http://us%40er:pw@127.0.0.1:{port}",
            tls=ssl.create_default_context(cafile=certificate),
            resolve=lambda *_: pytest.fail("the proxy looks up names"),
        )
        assert transport.post("https://hooks.test:8443/a", b"{}", {}).status == 200

    assert names == ["hooks.test"]
    assert listener.got[0].path == "/a"
    [request] = asked
    assert request.splitlines()[0] == "CONNECT hooks.test:8443 HTTP/1.1"
    credentials = base64.b64encode(b"us@er:pw").decode()
    assert f"Proxy-Authorization: Basic {credentials}" in request
    assert "pw" not in repr(transport.proxy)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"", b"SSH-2.0\r\n\r\n", b"x" * 20_000],
)
def test_a_proxy_that_does_not_want_to(answer: bytes) -> None:
    """May want to later."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    with raw_server(talk) as port:
        transport = Transport(proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(UnreachableError, match="the proxy "):
            transport.post("https://hooks.test/", b"{}", {})


@pytest.mark.parametrize(
    "url",
    [
        *("https://10.0.0.1/", "https://[::1]/", "http://a.test/", "https://127.1/"),
        *("https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1./"),
    ],
)
def test_what_a_proxy_is_not_asked_for(url: str) -> None:
    """An address that is seen to be none of the outside, and what is not encrypted."""
    network = Network(["93.184.216.34"])

    with pytest.raises(BlockedError):
        network.transport(proxy="http://127.0.0.1:1").post(url, b"{}", {})

    assert network.connected == []


@pytest.mark.parametrize(
    "url", ["proxy:3128", "https://proxy:3128", "http://proxy", "http://:1", ""]
)
def test_a_proxy_that_is_none(url: Any) -> None:
    """Is refused when the transport is made."""
    with pytest.raises(ValueError, match="proxy must be a URL"):
        Transport(proxy=url)


# Messages and endpoints.


def test_a_message_goes_through_a_store() -> None:
    """As JSON, and is the same one then."""
    message = Message.of("a.b", {"x": [1, "ä\ud800"]}, id="evt-7")

    stored = json.loads(json.dumps(message.to_json()))

    assert Message.from_json(stored) == message
    assert Message.of("a", 1).id != Message.of("a", 1).id


@pytest.mark.parametrize("data", [float("nan"), {1, 2}, object()])
def test_data_that_json_has_no_word_for(data: object) -> None:
    """Is refused when the message is made, not at each attempt."""
    with pytest.raises(TypeError):
        Message.of("a", data)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"secrets": []}, ValueError),
        ({"secrets": ["whsec_ä"]}, ValueError),
        ({"secrets": NEW}, TypeError),
        ({"headers": {"Webhook-ID": "1"}}, ValueError),
        ({"headers": {"host": "1"}}, ValueError),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, ValueError),
        ({"headers": {"X-A": "ä"}}, ValueError),
        ({"headers": {"X A": "1"}}, ValueError),
        ({"headers": {"X-A": 1}}, TypeError),
        ({"id": ""}, TypeError),
    ],
)
def test_an_endpoint_that_is_none(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    """Is refused when it is made."""
    good = {"id": "partner", "url": "https://a.test/", "secrets": [NEW]}
    assert NEW not in repr(Endpoint(**good))

    with pytest.raises(error):
        Endpoint(**{**good, **arguments})
