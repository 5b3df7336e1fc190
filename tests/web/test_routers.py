"""Routers that a service of one's own mounts, on real jobs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Response

from cotality.flow import Flow, FlowClient, Step
from cotality.jobs import Jobs, StoreError
from cotality.jobs.webhooks import Event, GithubSignature, Receiver
from cotality.web import (
    CountRequests,
    RequestFigures,
    Streams,
    flow_router,
    health_router,
    jobs_router,
    metrics_router,
    queues_router,
    webhooks_router,
)
from cotality.web._web.app.life import write
from cotality.web._web.events.frames import frame
from cotality.web._web.routes.mounted import health as health_module
from cotality.web._web.routes.mounted.figures import HEAD
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import Gate, wait_until
from tests.web.asgi import Answer, Client, run

pytestmark = pytest.mark.one_python

SECRET = "a secret of the endpoint"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("routers")


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    made = Shop(f"sqlite:///{folder / 'jobs.db'}")
    with WorkerProgram(made.jobs.url, folder, "--slots", "2"):
        yield made
    made.jobs.close()


@pytest.fixture(scope="module")
def client(shop: Shop) -> Client:
    app = FastAPI()
    offer = {"add": shop.add, "double": shop.double, "fail": shop.fail}
    app.include_router(jobs_router(shop.jobs, offer, show=[shop.hold, shop.report]))
    app.include_router(queues_router(shop.jobs))
    return Client(app)


@pytest.fixture(autouse=True)
def closed(shop: Shop) -> Iterator[None]:
    """Each test leaves as few open files as it found."""
    yield
    shop.jobs.close()


async def until_over(client: Client, url: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            answer = await client.get(url)
            assert answer.status == 200
            if answer.json["status"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                return answer.json
            assert answer.headers["retry-after"] == "1"
            await asyncio.sleep(0.02)


# Jobs.


def test_a_job_is_accepted_and_its_status_says_what_it_gave(client: Client) -> None:
    """202, where to look, and after how long; then what the function has returned."""

    async def asked() -> None:
        taken = await client.post("/jobs/add", {"a": 3, "b": 4})
        assert taken.status == 202
        assert taken.headers["location"] == f"/jobs/{taken.json['id']}"
        assert taken.headers["retry-after"] == "1"
        state = await until_over(client, taken.headers["location"])
        assert (state["status"], state["result"], state["attempt"]) == (
            "SUCCEEDED",
            7,
            1,
        )

    run(asked())


def test_arguments_are_made_of_what_annotations_say(client: Client) -> None:
    """A class of the service's own is one, and comes back as JSON."""

    async def asked() -> None:
        order = {"order": {"number": 2, "lines": ["a"]}}
        taken = await client.post("/jobs/double", order)
        state = await until_over(client, taken.headers["location"])
        assert state["result"] == {"number": 4, "lines": ["a", "a"]}

    run(asked())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"a": 1}, "body.b"),
        ({"a": 1, "b": "x"}, "body.b"),
        ({"a": 1, "b": 2, "c": 3}, "body.c"),
        ({"a": 1, "b": float("nan")}, "body.b"),
        ([], "body"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    client: Client, given: object, field: str
) -> None:
    """Each by its name and its value, before anything is stored."""
    answer = run(client.post("/jobs/add", given))

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["field"] for each in answer.json["errors"]] == [field]


def test_what_is_no_json_is_refused(client: Client) -> None:
    """With what to send instead."""

    async def asked(body: bytes, kind: str) -> tuple[int, str]:
        headers = {"Content-Type": kind}
        answer = await client.ask("POST", "/jobs/add", body, headers)
        return answer.status, answer.json["type"].rpartition(":")[2]

    text = b'{"a": 1, "b": 2}'
    assert run(asked(text, "text/plain")) == (415, "not-json")
    assert run(asked(text, "application/x-www-form-urlencoded")) == (415, "not-json")
    assert run(asked(b"{", "application/json")) == (400, "bad-json")
    twice = b'{"a": 1, "b": 2, "b": 3}'
    assert run(asked(twice, "application/json")) == (400, "bad-json")


def test_a_job_that_fails_says_what_it_raised(client: Client) -> None:
    """And neither its arguments nor its traceback, which are for those who run it."""

    async def asked() -> None:
        taken = await client.post("/jobs/fail", {"text": "no such order"})
        state = await until_over(client, taken.headers["location"])
        assert state["status"] == "FAILED"
        assert (state["error_type"], state["error"]) == ("ValueError", "no such order")
        assert not {"arguments", "traceback"} & state.keys()

    run(asked())


def test_a_repeated_request_with_its_key_gives_the_same_job(client: Client) -> None:
    """As of a client that did not hear the first answer."""

    async def ids(*keys: str) -> list[str]:
        answers = [
            await client.post("/jobs/add", {"a": 1, "b": 1}, **{"Idempotency-Key": key})
            for key in keys
        ]
        return [answer.json["id"] for answer in answers]

    one, two, three = run(ids("k", "k", "other"))
    assert one == two
    assert three != one


def test_a_key_of_another_request_is_refused(client: Client) -> None:
    """Rather than answered with a job of other arguments; also if both come at once."""

    async def asked(*values: int) -> list[Answer]:
        key = {"Idempotency-Key": f"once {values}"}
        return await asyncio.gather(
            *(client.post("/jobs/add", {"a": a, "b": 1}, **key) for a in values)
        )

    answers = run(asked(1, 1, 2))
    assert sorted(answer.status for answer in answers) in (
        [202, 202, 422],
        [202, 422, 422],
    )
    [_, *_] = taken = [each.json["id"] for each in answers if each.status == 202]
    assert len(set(taken)) == 1
    for refused in (each for each in answers if each.status == 422):
        assert refused.json["type"].endswith(":key-reused")
        assert taken[0] in refused.json["detail"]


def test_a_job_is_cancelled(client: Client, shop: Shop, folder: Path) -> None:
    """Once; what is over cannot be, and says so."""

    async def asked() -> None:
        job = shop.hold.enqueue_sync(f"{folder}", f"{folder / 'never'}", "cancelled")
        url = f"/jobs/{job.id}"
        await asyncio.to_thread(
            wait_until, lambda: (folder / "cancelled.mark").exists()
        )
        cancelled = await client.ask("DELETE", url)
        assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLED")
        assert (await client.ask("DELETE", url)).status == 200
        done = await client.post("/jobs/add", {"a": 1, "b": 1})
        await until_over(client, done.headers["location"])
        assert (await client.ask("DELETE", done.headers["location"])).status == 409

    run(asked())


def test_nobody_sees_what_is_not_offered(client: Client, shop: Shop) -> None:
    """Neither a job of another function, nor one that is not there."""
    other = shop.pid.using(job_id="stripe:evt_1").enqueue_sync()

    for method, path in (
        ("GET", f"/jobs/{other.id}"),
        ("GET", f"/jobs/{other.id}/events"),
        ("DELETE", f"/jobs/{other.id}"),
        ("GET", "/jobs/none"),
        ("GET", "/jobs/%00"),
        ("GET", f"/jobs/{'x' * 5000}"),
    ):
        answer = run(client.ask(method, path))
        assert answer.status == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert run(client.post("/jobs/pid", {})).status == 405  # the path of a status


def test_ids_may_have_slashes(client: Client, shop: Shop) -> None:
    """As of jobs that are named after something."""
    job = shop.add.using(job_id="order/7").enqueue_sync(1, 1)

    assert run(until_over(client, f"/jobs/{job.id}"))["id"] == "order/7"
    assert run(client.get(f"/jobs/{job.id}/events")).body.count(b"event: job") == 1


def test_events_are_those_of_the_job_and_end_with_it(
    client: Client, shop: Shop, folder: Path
) -> None:
    """Who connects again hears nothing twice; after the end there is nothing more."""

    async def asked() -> None:
        gate = Gate(folder / "events.gate")
        job = shop.hold.enqueue_sync(f"{folder}", f"{gate.path}", "events")
        path = f"/jobs/{job.id}/events"
        stream = client.begin("GET", path)
        await stream.until('"RUNNING"')
        last = ids_in(stream.answer.body)[-1]
        again = client.begin("GET", path, headers={"Last-Event-ID": last})
        await again.until("retry")
        gate.open()
        whole, rest = (await stream.end()).body, (await again.end()).body
        assert b'"SUCCEEDED"' in whole
        assert ids_in(whole)[-1:] == ids_in(rest)
        over = await client.get(path, **{"Last-Event-ID": ids_in(whole)[-1]})
        assert (over.status, over.body) == (204, b"")

    run(asked())


def ids_in(body: bytes) -> list[str]:
    return [
        line.removeprefix("id: ")
        for line in body.decode().splitlines()
        if line.startswith("id: ")
    ]


def test_streams_of_jobs_are_limited(shop: Shop, folder: Path) -> None:
    """Together with those of other routers, if they share the limit."""

    async def asked() -> None:
        streams = Streams(most=1)
        app = FastAPI()
        for prefix in ("/a", "/b"):
            made = jobs_router(
                shop.jobs, show=[shop.add], prefix=prefix, streams=streams
            )
            app.include_router(made)
        job = shop.add.using(delay=1000).enqueue_sync(1, 1)
        client = Client(app)
        first = client.begin("GET", f"/a/{job.id}/events")
        await first.until("DELAYED")
        second = await client.get(f"/b/{job.id}/events")
        assert (second.status, second.headers["retry-after"]) == (503, "5")
        first.hang_up()
        await first.end()
        shop.jobs.cancel(job.id)

    run(asked())


def test_who_may_ask_is_the_affair_of_the_application(shop: Shop) -> None:
    """Its dependencies are asked first, and answer in its own way."""

    def nobody() -> None:
        raise HTTPException(401, "not you")

    app = FastAPI()
    router = jobs_router(shop.jobs, {"add": shop.add})
    app.include_router(router, dependencies=[Depends(nobody)])

    answer = run(Client(app).post("/jobs/add", {"a": 1, "b": 1}))
    assert (answer.status, answer.json) == (401, {"detail": "not you"})


def untyped(a, b):  # type: ignore[no-untyped-def]  # as people write them
    return a


def of_many(*numbers: int) -> int:
    return sum(numbers)


def of_locks(lock: threading.Lock) -> None:
    """Nobody can send one."""


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (untyped, "parameter 'a' has no annotation"),
        (of_many, "parameter 'numbers' has no name"),
        (of_locks, "lock"),
    ],
)
def test_what_cannot_be_checked_cannot_be_offered(
    function: Callable[..., Any], says: str
) -> None:
    """Which is told where the router is made."""
    job = Jobs("sqlite:///unused.db").job(function)

    with pytest.raises(TypeError, match=f"the job 'it' cannot be offered.*{says}"):
        jobs_router(Jobs("sqlite:///unused.db"), {"it": job})


def test_a_name_that_no_path_can_have_is_refused(shop: Shop) -> None:
    """Where the router is made."""
    with pytest.raises(ValueError, match="a name of letters"):
        jobs_router(shop.jobs, {"a/b": shop.add})


def test_a_store_that_is_away_is_no_fault_of_the_request(tmp_path: Path) -> None:
    """503, when to come again, and nothing about where the store is."""
    (tmp_path / "jobs.db").mkdir()
    shop = Shop(f"sqlite:///{tmp_path / 'jobs.db'}")
    app = FastAPI()
    app.include_router(jobs_router(shop.jobs, {"add": shop.add}))
    app.include_router(queues_router(shop.jobs))

    for answer in (
        run(Client(app).post("/jobs/add", {"a": 1, "b": 1})),
        run(Client(app).get("/jobs/one")),
        run(Client(app).get("/queues")),
        run(Client(app).post("/queues/dead/purge", {"ids": ["a"]})),
    ):
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"jobs.db" not in answer.body
    shop.jobs.close()


# Queues and dead letters.


@pytest.fixture
def dead(shop: Shop, client: Client) -> list[str]:
    """Two jobs that have failed for good."""
    ids = [shop.fail.enqueue_sync(f"dead {number}").id for number in range(2)]
    for each in ids:
        run(until_over(client, f"/jobs/{each}"))
    return ids


def test_queues_say_how_they_are(client: Client, dead: list[str]) -> None:
    """With who serves them."""
    found = {each["queue"]: each for each in run(client.get("/queues")).json}

    assert found["default"]["dead"] >= 2
    assert found["default"]["workers"] == 1
    assert found["default"]["is_unserved"] is False


def test_queues_say_how_long_jobs_take(client: Client, shop: Shop) -> None:
    """By the names of their functions."""
    assert shop.add.enqueue_sync(1, 2).result_sync(60) == 3
    wait_until(lambda: ran_of(shop) > 0)

    found = {each["name"]: each for each in run(client.get("/queues/times")).json}

    durations = found[shop.add.name]["run"]
    assert durations["count"] > 0
    assert 0 < durations["p50"] <= durations["p95"]
    assert max(durations["no_longer"].values()) == durations["count"]


def test_dead_letters_come_in_portions(client: Client, dead: list[str]) -> None:
    """The newest first."""

    async def all_of_them() -> list[str]:
        found: list[str] = []
        offset: int | None = 0
        while offset is not None:
            path = f"/queues/dead?queue=default&limit=1&offset={offset}"
            page = (await client.get(path)).json
            found += [each["id"] for each in page["items"]]
            offset = page["next_offset"]
        return found

    found = run(all_of_them())
    assert found[:2] == dead[::-1]
    assert len(found) == len(set(found))
    assert run(client.get("/queues/dead?queue=none")).json["items"] == []
    for query in ("limit=0", "queue=%00", f"queue={'x' * 1000}"):
        assert run(client.get(f"/queues/dead?{query}")).status == 422
    for text in ("\0", "\ud800"):
        answer = run(client.post("/queues/dead/purge", {"queue": text}))
        assert answer.status == 422


def test_a_dead_letter_says_all_about_itself(client: Client, dead: list[str]) -> None:
    """What it was called with, where it failed, and each of its attempts."""
    letter = run(client.get(f"/queues/dead/{dead[0]}")).json

    assert json.loads(letter["arguments"]) == {"text": "dead 0"}
    assert "ValueError: dead 0" in letter["traceback"]
    assert [each["outcome"] for each in letter["attempts"]] == ["failed"]
    assert run(client.get("/queues/dead/none")).status == 404


def test_a_dead_letter_begins_anew(client: Client, dead: list[str]) -> None:
    """It keeps its id; what is not dead does not."""

    async def asked() -> None:
        answer = await client.ask("POST", f"/queues/dead/{dead[0]}/requeue")
        assert (answer.status, answer.json["done"]) == (200, [dead[0]])
        state = await until_over(client, f"/jobs/{dead[0]}")
        assert state["attempt"] == 2 or state["attempt"] == 1
        taken = await client.post("/jobs/add", {"a": 1, "b": 1})
        await until_over(client, taken.headers["location"])
        path = f"/queues/dead/{taken.json['id']}"
        assert (await client.ask("POST", f"{path}/requeue")).status == 409
        assert (await client.ask("DELETE", path)).status == 409

    run(asked())


def test_several_dead_letters_are_handled_together(
    client: Client, dead: list[str]
) -> None:
    """What keeps one from it is told, and the others go on."""

    async def asked() -> None:
        purged = await client.post("/queues/dead/purge", {"ids": [dead[0], "none"]})
        assert purged.json["done"] == [dead[0]]
        assert "none" in purged.json["left"]["none"]
        assert (await client.get(f"/queues/dead/{dead[0]}")).status == 404
        gone = await client.ask("DELETE", f"/queues/dead/{dead[1]}")
        assert gone.json["done"] == [dead[1]]
        requeued = await client.post("/queues/dead/requeue", {"queue": "nothing"})
        assert requeued.json == {"done": [], "left": {}}
        await client.post("/queues/dead/purge", {"queue": "default"})
        assert (await client.get("/queues/dead")).json["items"] == []

    run(asked())


# Webhooks.


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Delivery": "d-1",
        "X-GitHub-Event": "push",
    }


def receiving(store: Callable[[Event], object], max_body: int = 1000) -> Client:
    receiver = Receiver(GithubSignature(secrets=[SECRET]), store, max_body=max_body)
    app = FastAPI()
    app.include_router(webhooks_router({"github": receiver}))
    return Client(app)


async def push(client: Client, *parts: bytes, secret: str = SECRET) -> tuple[int, Any]:
    body = parts[0] if len(parts) == 1 else parts
    answer = await client.ask(
        "POST", "/webhooks/github", body, signed(b"".join(parts), secret)
    )
    return answer.status, answer.json


def test_a_webhook_is_stored_before_it_is_answered() -> None:
    """By a function, in a thread, or by a coroutine function, in the loop."""
    stored: list[tuple[str, bool]] = []
    main = threading.get_ident()

    def store(event: Event) -> None:
        stored.append((event.id, threading.get_ident() == main))

    async def store_async(event: Event) -> None:
        await asyncio.sleep(0)
        stored.append((event.id, threading.get_ident() == main))

    def gives_coroutine(event: Event) -> object:
        return store_async(event)

    for each in (store, store_async, gives_coroutine):
        answer = run(push(receiving(each), b'{"ref": "main"}'))
        assert answer == (200, {"status": "received"})
    assert stored == [("d-1", False), ("d-1", True), ("d-1", True)]


def test_a_webhook_of_a_stranger_is_refused() -> None:
    """What is wrong with it stands in our log, and not in the answer."""
    client = receiving(lambda event: pytest.fail("stored"))

    assert run(push(client, b"{}", secret="another")) == (
        401,
        {"error": "invalid signature"},
    )
    assert run(push(client, b"no json")) == (400, {"error": "no event"})
    assert run(push(client, b"x" * 1001))[0] == 413
    assert run(push(client, b"x" * 600, b"x" * 600))[0] == 413


def test_a_webhook_that_cannot_be_stored_comes_again() -> None:
    """So it is not answered as if it were."""

    def store(event: Event) -> None:
        raise StoreError("the disk is full")

    assert run(push(receiving(store), b"{}"))[0] == 503


def test_a_receiver_without_a_store_is_refused() -> None:
    """Where the router is made, and not by the first event."""
    with pytest.raises(TypeError, match="nowhere to store"):
        webhooks_router({"github": Receiver(GithubSignature(secrets=[SECRET]))})


# Health.


def test_a_service_is_live_and_ready() -> None:
    """Whatever kind its checks are of."""

    async def asynchronous() -> bool:
        return True

    app = FastAPI()
    app.include_router(health_router({"a": asynchronous, "b": lambda: None}))

    assert run(Client(app).get("/health/live")).json == {"status": "live"}
    assert run(Client(app).ask("HEAD", "/health/ready")).status == 200
    ready = run(Client(app).get("/health/ready"))
    assert (ready.status, ready.json["status"]) == (200, "ready")
    assert ready.json["checks"]["b"] == {"ok": True, "detail": ""}


def test_a_service_is_not_ready_while_a_check_fails() -> None:
    """It says which, and why; it lives all the same."""

    def broken() -> None:
        raise OSError("no disk")

    app = FastAPI()
    app.include_router(health_router({"a": broken, "b": lambda: False}))

    ready = run(Client(app).get("/health/ready"))
    assert ready.status == 503
    assert ready.json["checks"] == {
        "a": {"ok": False, "detail": "OSError: no disk"},
        "b": {"ok": False, "detail": ""},
    }
    assert run(Client(app).get("/health/live")).status == 200


def test_a_check_that_hangs_is_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody asks: a thread for each would be too many."""
    monkeypatch.setattr(health_module, "CHECK_S", 0.02)
    starts, may_end = list[int](), threading.Event()

    def hangs() -> None:
        starts.append(1)
        assert may_end.wait(30)

    async def asked() -> None:
        app = FastAPI()
        app.include_router(health_router({"a": hangs}))
        client = Client(app)
        answers = [await client.get("/health/ready") for _ in range(3)]
        assert [answer.status for answer in answers] == [503] * 3
        assert "no answer within" in answers[0].json["checks"]["a"]["detail"]
        assert len(starts) == 1
        may_end.set()

    run(asked())


# Figures.


def counting_app(requests: RequestFigures, jobs: Jobs | None = None) -> Client:
    app = FastAPI()
    app.add_middleware(CountRequests, requests=requests)
    app.include_router(metrics_router(jobs, requests=requests))
    app.include_router(health_router())
    return Client(app)


def figures_of(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}


def test_requests_are_counted_by_their_route() -> None:
    """And not by their path: of those there are as many as somebody asks for."""
    client = counting_app(RequestFigures())

    async def asked() -> bytes:
        await client.get("/health/live")
        for path in ("/a", "/b", "/c"):
            await client.get(path)
        await client.ask("BREW", "/health/live")
        return (await client.get("/metrics")).body

    found = {
        name.replace(name[name.index("pid=") : name.index(",") + 1], "")
        if "pid=" in name and "," in name
        else name: value
        for name, value in figures_of(run(asked())).items()
    }
    head = "cotality_web_requests_total"
    assert found[f'{head}{{method="GET",route="/health/live",status="200"}}'] == 1
    assert found[f'{head}{{method="GET",route="other",status="404"}}'] == 3
    assert sum(value for name, value in found.items() if name.startswith(head)) == 5
    seconds = "cotality_web_request_seconds"
    assert found[f'{seconds}_bucket{{route="other",le="+Inf"}}'] == 3
    assert found[f'{seconds}_count{{route="other"}}'] == 3


def test_streams_are_counted_as_long_as_they_are_open() -> None:
    """And not among the times that answers took."""

    async def asked() -> None:
        requests = RequestFigures()
        client = counting_app(requests)
        assert isinstance(client.app, FastAPI)
        may_end = asyncio.Event()

        async def frames() -> AsyncGenerator[bytes]:
            yield frame("{}", id="1", kind="a")
            await may_end.wait()

        @client.app.get("/stream", response_class=Response)
        async def stream() -> Response:
            return Streams().answer(frames())

        exchange = client.begin("GET", "/stream")
        await exchange.until("event: a")
        now = figures_of((await client.get("/metrics")).body)
        [open_now] = [now[name] for name in now if name.startswith(f"{HEAD}_streams")]
        assert open_now == 1
        may_end.set()
        await exchange.end()
        assert requests.figures.streams == 0
        assert requests.figures.requests["GET", "/stream", 200] == 1
        assert "/stream" not in requests.figures.buckets

    run(asked())


def test_figures_of_one_process_say_which_one() -> None:
    """A sum that jumps between processes would be of no use."""
    body = run(counting_app(RequestFigures()).get("/metrics")).body

    assert b'cotality_web_in_flight{pid="' in body


def test_figures_of_several_processes_add_up(tmp_path: Path) -> None:
    """Whoever is asked; what ended processes have counted is not lost."""
    one, other = RequestFigures(tmp_path), RequestFigures(tmp_path)
    name = 'cotality_web_requests_total{method="GET",route="/a",status="200"}'

    def total(figures: RequestFigures) -> float:
        return figures_of(figures.text().encode())[name]

    one.figures.count("GET", "/a", 200, 0.01)
    other.figures.count("GET", "/a", 200, 0.01)
    other.figures.in_flight = 5
    other.write()
    assert total(one) == 2
    one.figures.count("GET", "/a", 200, 0.01)
    one.write()
    assert total(other) == 3
    assert figures_of(one.text().encode())["cotality_web_in_flight"] == 5
    assert other.alive is not None
    other.alive.close()  # as the system does when a process is killed
    assert [total(one) for _ in range(2)] == [3, 3]
    assert figures_of(one.text().encode())["cotality_web_in_flight"] == 0
    third = RequestFigures(tmp_path)
    third.write()
    one.close()
    assert total(third) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["ended.json", "ended.lock", f"{third.name}.alive", f"{third.name}.json"]
    )
    third.close()


def test_figures_that_nobody_can_read_are_left_out(tmp_path: Path) -> None:
    """As of another version of us; the service goes on."""
    figures = RequestFigures(tmp_path)
    figures.figures.count("GET", "/a", 200, 0.01)
    figures.write()
    for text in (
        "",
        "[]",
        '{"requests": 3}',
        '{"requests": [], "buckets": {"a": [1]}}',
    ):
        (tmp_path / f"{figures.name}.json").write_text(text, "utf-8")
        (tmp_path / "ended.json").write_text(text, "utf-8")
        assert "cotality_web_in_flight 0" in figures.text()
    figures.close()


def test_metrics_are_there_where_nothing_can_be_written(
    tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a disk that is full: who looks at queues then needs it most."""
    (tmp_path / "file").write_text("", "utf-8")
    requests = RequestFigures(tmp_path / "file" / "figures")
    answer = run(counting_app(requests, shop.jobs).get("/metrics"))

    assert answer.status == 200
    found = figures_of(answer.body)
    assert found["cotality_jobs_up"] == 1
    assert not any(name.startswith(HEAD) for name in found)
    caplog.clear()
    assert not write(requests, "{}")
    assert not write(requests, "{}", is_told=True)
    assert caplog.text.count("cannot be written for now") == 1


def test_metrics_have_the_queues(client: Client, shop: Shop) -> None:
    """As the store has them."""
    assert shop.add.enqueue_sync(1, 2).result_sync(60) == 3
    body = run(counting_app(RequestFigures(), shop.jobs).get("/metrics")).body

    found = figures_of(body)
    assert found["cotality_jobs_up"] == 1
    assert found['cotality_jobs_workers{queue="default"}'] == 1
    wait_until(lambda: ran_of(shop) > 0)  # workers tell every two seconds
    body = run(counting_app(RequestFigures(), shop.jobs).get("/metrics")).body
    for kind in ("wait", "run"):
        label = f'{{job="{shop.add.name}"}}'
        assert figures_of(body)[f"cotality_job_{kind}_seconds_count{label}"] > 0


def ran_of(shop: Shop) -> int:
    """How many runs of one function were counted."""
    found = {each.name: each.run.count for each in shop.jobs.times()}
    return found.get(shop.add.name, 0)


def test_metrics_are_there_while_the_store_is_away(tmp_path: Path) -> None:
    """What is not known is not said to be zero."""
    (tmp_path / "jobs.db").mkdir()
    jobs = Jobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    answer = run(counting_app(RequestFigures(), jobs).get("/metrics"))

    assert answer.status == 200
    assert figures_of(answer.body)["cotality_jobs_up"] == 0
    assert b"cotality_jobs{" not in answer.body
    jobs.close()


# A flow.


def test_a_flow_says_how_it_is() -> None:
    """Its steps, and its figures for Prometheus."""

    async def asked() -> None:
        async with Flow(Step(abs, workers=1, name="abs")) as flow:
            app = FastAPI()
            app.include_router(flow_router(flow))
            assert await flow(-3) == 3
            state = (await Client(app).get("/flow")).json
            assert (state["state"], state["steps"][0]["items"]) == ("ready", 1)
            metrics = await Client(app).get("/flow/metrics")
            assert b"cotality_flow_calls_total" in metrics.body

    run(asked())


def test_a_flow_that_is_away_is_told(tmp_path: Path) -> None:
    """By the status, so that who only looks at that learns it."""

    async def asked() -> None:
        async with FlowClient[int, int](tmp_path / "none.sock") as flow:
            app = FastAPI()
            app.include_router(flow_router(flow))
            for path in ("/flow", "/flow/metrics"):
                answer = await Client(app).get(path)
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")

    run(asked())


def test_openapi_tells_what_every_route_may_answer(client: Client) -> None:
    """Also in an application of others."""
    app = client.app
    assert isinstance(app, FastAPI)
    document = app.openapi()

    add = document["paths"]["/jobs/add"]["post"]
    assert set(add["responses"]) == {"202", "400", "415", "422", "503"}
    assert "CotalityProblem" in document["components"]["schemas"]
    body = add["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    arguments = document["components"]["schemas"][body.rpartition("/")[2]]
    assert arguments["required"] == ["a", "b"]
    assert arguments["additionalProperties"] is False
