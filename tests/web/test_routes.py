"""The routes of the service, on a desk that does nothing by itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from cotality.jobs import StoreError
from cotality.web import QueueFullError, TooManyTasksError
from cotality.web._web.app.create import made_app
from cotality.web._web.models.health import Condition
from cotality.web._web.models.kinds import TaskStatus
from tests.web.asgi import Answer, Client, Exchange, living, run
from tests.web.stand_in import StandInDesk, settings_in

pytestmark = pytest.mark.one_python

TASKS = "/api/v1/tasks"
KEY = "a-key-of-more-than-16-characters"
SYNC = {
    "sequential": "sequential",
    "threading": "threading",
    "multiprocessing": "multiprocessing",
    "async-batch": "batch_async",
    "concurrent-futures": "concurrent_futures",
    "auto": "auto",
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[StandInDesk]:
    made = StandInDesk(settings_in(tmp_path))
    yield made
    made.jobs.close()


@pytest.fixture
def client(desk: StandInDesk) -> Client:
    return Client(made_app(desk.settings, desk))


def problem(answer: Answer) -> tuple[int, str]:
    """The status of a refusal, and its kind."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert told["status"] == answer.status
    assert told["detail"]
    return answer.status, told["type"].removeprefix("urn:cotality:problem:")


# To start a task.


@pytest.mark.parametrize(("path", "kind"), SYNC.items())
def test_each_method_has_a_route_that_answers_with_what_came_of_it(
    client: Client, desk: StandInDesk, path: str, kind: str
) -> None:
    """The task is one of this method."""
    answer = run(client.post(f"{TASKS}/{path}", {"items_count": 3}))

    assert answer.status == 200
    told = answer.json
    assert (told["task_type"], told["status"]) == (kind, "completed")
    assert [each["value"] for each in told["results"]] == [0, 2, 4]
    assert desk.said == [f"start {kind} for local", "wait"]


@pytest.mark.parametrize(
    ("path", "estimated", "prefer"),
    [
        ("sequential", 11.0, None),
        ("sequential", 0.0, "respond-async"),
        ("auto", 3.0, "wait=2"),
        ("auto", 3.0, f"wait={'9' * 5000}, wait = 1, wait=x, nonsense"),
        ("background", 0.0, None),
    ],
)
def test_what_takes_long_is_taken_and_goes_on(
    client: Client, desk: StandInDesk, path: str, estimated: float, prefer: str | None
) -> None:
    """202 says where to look, and nobody waits."""
    desk.estimated = estimated
    headers = {} if prefer is None else {"Prefer": prefer}
    answer = run(client.post(f"{TASKS}/{path}", {"items_count": 3}, **headers))

    assert answer.status == 202
    told = answer.json
    assert answer.headers["location"] == told["status_url"]
    assert told["status_url"] == f"{TASKS}/status/{told['task_id']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert "wait" not in desk.said
    if prefer == "respond-async":
        assert answer.headers["preference-applied"] == prefer


def test_what_takes_longer_than_it_seemed_goes_on_as_well(tmp_path: Path) -> None:
    """When the time to wait is over."""
    desk = StandInDesk(settings_in(tmp_path, sync_limit_s=0.01))
    desk.is_quick = False
    client = Client(made_app(desk.settings, desk))

    answer = run(client.post(f"{TASKS}/threading", {}))

    assert answer.status == 202
    assert desk.said[-1] == "wait"


def test_a_client_that_hangs_up_has_cancelled_its_task(
    client: Client, desk: StandInDesk
) -> None:
    """Nobody else knows of it."""
    desk.is_quick = False

    async def asked() -> None:
        exchange = begin(client, "multiprocessing")
        await until(lambda: "wait" in desk.said)
        exchange.hang_up()
        await exchange.end()
        assert desk.said[-1] == f"cancel {next(iter(desk.known))}"

    run(asked())


def test_a_task_in_the_background_is_not_cancelled_with_its_request(
    client: Client, desk: StandInDesk
) -> None:
    """Nor one that was answered with 202."""
    desk.is_quick = False

    async def asked() -> None:
        headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
        for path in ("background", "auto"):
            exchange = client.begin("POST", f"{TASKS}/{path}", b"{}", headers)
            await exchange.end()
            exchange.hang_up()
        await asyncio.sleep(0)
        assert {task.status for task in desk.known.values()} == {TaskStatus.PENDING}

    run(asked())


def begin(client: Client, path: str) -> Exchange:
    headers = {"Content-Type": "application/json"}
    return client.begin("POST", f"{TASKS}/{path}", b'{"items_count": 3}', headers)


async def until(is_so: Any) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.001)


def test_who_waits_when_the_service_ends_is_told_where_to_look(
    desk: StandInDesk,
) -> None:
    """At once; the task is a job, and goes on."""
    desk.is_quick = False

    async def asked() -> None:
        app = made_app(desk.settings, desk)
        async with living(app):
            exchange = begin(Client(app), "sequential")
            await until(lambda: "wait" in desk.said)
        answer = await exchange.end()
        assert answer.status == 202
        assert not any(word.startswith("cancel") for word in desk.said)
        assert desk.said[0] == "open"
        assert desk.said[-1] == "close"

    run(asked())


@pytest.mark.parametrize("path", ["sequential", "compare"])
@pytest.mark.parametrize("then", ["wait", "comparison"])
def test_a_task_that_was_taken_is_told_although_the_store_is_away(
    client: Client, desk: StandInDesk, path: str, then: str
) -> None:
    """It goes on; who hears of no task would ask for another one."""

    async def away(*given: object, **more: object) -> None:
        raise StoreError("/home/ada/tasks.db is locked")

    setattr(desk, then, away)
    body = None if path == "compare" else b"{}"
    headers = {"Content-Type": "application/json"}
    answer = run(client.ask("POST", f"{TASKS}/{path}", body, headers))

    if (path, then) == ("sequential", "comparison"):
        assert answer.status == 200  # which nobody has asked
        return
    [task] = desk.known
    assert answer.status == 202
    assert answer.json["task_id"] == task
    assert answer.headers["location"].endswith(task)
    assert b"/home" not in answer.body


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (TaskStatus.FAILED, (500, "task-failed")),
        (TaskStatus.CANCELLED, (409, "cancelled")),
    ],
)
def test_a_task_that_came_to_nothing_is_no_success(
    client: Client,
    desk: StandInDesk,
    status: TaskStatus,
    expected: tuple[int, str],
) -> None:
    """Its id is told, under which more is known."""
    desk.is_quick = False

    async def asked() -> Answer:
        exchange = begin(client, "auto")
        await until(lambda: "wait" in desk.said)
        await desk.change(next(iter(desk.known)), status)
        return await exchange.end()

    answer = run(asked())
    assert problem(answer) == expected
    assert answer.json["task_id"] in desk.known


@pytest.mark.parametrize(
    ("error", "expected", "again"),
    [
        (QueueFullError("100 tasks wait", 7.2), (503, "queue-full"), "8"),
        (TooManyTasksError("you have 20", 0.1), (429, "too-many-tasks"), "1"),
        (StoreError("/home/ada/tasks.db is locked"), (503, "store-away"), "5"),
    ],
)
def test_a_desk_that_refuses_says_when_to_come_again(
    client: Client,
    desk: StandInDesk,
    error: Exception,
    expected: tuple[int, str],
    again: str,
) -> None:
    """And nothing of where things are."""
    desk.refusal = error
    for path in ("auto", "background"):
        answer = run(client.post(f"{TASKS}/{path}", {}))
        assert problem(answer) == expected
        assert answer.headers["retry-after"] == again
        assert b"/home" not in answer.body


# What may be asked for.


@pytest.mark.parametrize(
    ("text", "field", "value", "limit"),
    [
        ('{"items_count": 0}', "body.items_count", 0, {"ge": 1}),
        ('{"items_count": 100001}', "body.items_count", 100_001, {"le": 100_000}),
        ('{"items_count": -1}', "body.items_count", -1, {"ge": 1}),
        ('{"items_count": "x"}', "body.items_count", "x", {}),
        ('{"items_count": NaN}', "body.items_count", "nan", {}),
        ('{"items_count": 1e999}', "body.items_count", "inf", {}),
        ('{"items_count": "7"}', "body.items_count", "7", {}),
        ('{"items_count": true}', "body.items_count", True, {}),
        ('{"simulate_db_delay": 1}', "body.simulate_db_delay", 1, {}),
        ('{"method": "compare"}', "body.method", "compare", {}),
        ('{"items_count": 1.5}', "body.items_count", 1.5, {}),
        ('{"workers": 0}', "body.workers", 0, {"ge": 1}),
        ('{"workers": 100000}', "body.workers", 100_000, {}),
        ('{"batch_size": 0}', "body.batch_size", 0, {"ge": 1}),
        ('{"db_delay_s": -0.1}', "body.db_delay_s", -0.1, {"ge": 0.0}),
        ('{"db_delay_s": Infinity}', "body.db_delay_s", "inf", {}),
        ('{"simulate_db_delay": "maybe"}', "body.simulate_db_delay", "maybe", {}),
        ('{"method": "background"}', "body.method", "background", {}),
        ('{"nonsense": 1}', "body.nonsense", 1, {}),
        ('{"\\ud800": 1}', "body", None, {}),
        ("[]", "body", "[]", {}),
        ("null", "body", None, {}),
    ],
)
def test_what_is_outside_of_its_limits_is_refused(
    client: Client,
    desk: StandInDesk,
    text: str,
    field: str,
    value: object,
    limit: dict[str, object],
) -> None:
    """The field, the value and the limit are named."""
    headers = {"Content-Type": "application/json"}
    answer = run(client.ask("POST", f"{TASKS}/auto", text.encode(), headers))

    assert problem(answer) == (422, "invalid-input")
    [wrong] = answer.json["errors"]
    assert wrong["field"] == field
    assert wrong["value"] == value or field == "body"
    assert limit.items() <= wrong["limit"].items()
    assert field in answer.json["detail"]
    assert not desk.said


def test_all_methods_have_the_same_limits(client: Client) -> None:
    """From one item to 100,000."""
    for path in (*SYNC, "background"):
        for count, status in ((0, 422), (1, 200), (100_000, 200), (100_001, 422)):
            answer = run(client.post(f"{TASKS}/{path}", {"items_count": count}))
            expected = 202 if (path, status) == ("background", 200) else status
            assert answer.status == expected, (path, count)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"", "application/json", (422, "invalid-input")),
        (b"{", "application/json", (400, "bad-json")),
        (b'{"method": "au\x00to"}', "application/json", (400, "bad-json")),
        (b"\xff", "application/json", (400, "bad-json")),
        (b"[" + b"9" * 5000 + b"]", "application/json", (400, "bad-json")),
        (b"[" * 60_000, "application/json", (400, "bad-json")),
        (b"{}", "text/plain", (415, "not-json")),
        (b"items_count=3", "application/x-www-form-urlencoded", (415, "not-json")),
        (b" " * 70_000, "application/json", (413, "too-large")),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    client: Client, body: bytes, kind: str, expected: tuple[int, str]
) -> None:
    """Whatever is wrong with it."""
    headers = {"Content-Type": kind}
    answer = run(client.ask("POST", f"{TASKS}/auto", body, headers))

    assert problem(answer) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"items_count": x}', "at character 16"),
        (b'{"items_count": 1, "items_count": 2}', "'items_count' stands there twice"),
        (b'{"\\u202e": {"\\u202e": 1, "\\u202e": 2}}', "stands there twice"),
        (b'{"items_count": "\xe9"}', "it is not utf-8"),
        (b"[" * 60_000, "nested too deeply"),
        (b"9" * 5000, "4300 digits"),
    ],
)
def test_why_a_body_cannot_be_read_is_told(
    client: Client, desk: StandInDesk, body: bytes, why: str
) -> None:
    """So is what would be read in another way than somebody has meant it."""
    headers = {"Content-Type": "application/json"}
    answer = run(client.ask("POST", f"{TASKS}/auto", body, headers))

    assert answer.status == 400
    assert why in answer.json["detail"]
    assert answer.json["detail"].isprintable()
    assert not desk.said


def test_larger_batches_than_items_are_fine(client: Client) -> None:
    """The document's own lines have them."""
    config = {"items_count": 100, "workers": 1, "batch_size": 5000}
    assert run(client.post(f"{TASKS}/sequential", config)).status == 200


# How tasks stand.


def test_the_status_of_a_task_is_there_until_it_is_over(
    client: Client, desk: StandInDesk
) -> None:
    """It says when to look again, as long as there is something to come."""
    desk.is_quick = False

    async def asked() -> None:
        taken = await client.post(f"{TASKS}/background", {"items_count": 200})
        url = taken.headers["location"]
        now = await client.get(url)
        assert (now.status, now.json["status"]) == (200, "pending")
        assert now.headers["retry-after"] == "1"
        await desk.change(taken.json["task_id"], TaskStatus.COMPLETED, 200)
        over = await client.get(f"{url}?results=150")
        assert over.json["status"] == "completed"
        assert len(over.json["results"]) == 150
        assert "retry-after" not in over.headers

    run(asked())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "status/{}"),
        ("GET", "events/{}"),
        ("DELETE", "{}"),
        ("GET", "results/{}/items"),
        ("GET", "compare/{}"),
    ],
)
def test_a_task_that_nobody_knows_is_not_found(
    client: Client, method: str, path: str
) -> None:
    """The placeholder of the document is one; others cannot be ids at all."""
    for task_id, expected in (
        ("task_abc123_1234567890", (404, "unknown")),
        ("task_00000000_1", (404, "unknown")),
        ("nonsense", (404, "no-such-path")),
        ("task_%00_1", (404, "no-such-path")),
        (f"task_{'a' * 5000}_1", (404, "no-such-path")),
    ):
        answer = run(client.ask(method, f"{TASKS}/{path.format(task_id)}"))
        assert problem(answer) == expected, task_id


def test_a_task_is_cancelled_once(client: Client, desk: StandInDesk) -> None:
    """To ask twice is no error; what is over cannot be cancelled."""
    desk.is_quick = False

    async def asked() -> None:
        taken = await client.post(f"{TASKS}/background", {})
        path = f"{TASKS}/{taken.json['task_id']}"
        for _ in range(2):
            answer = await client.ask("DELETE", path)
            assert (answer.status, answer.json["status"]) == (200, "cancelled")
        desk.is_quick = True
        over = await client.post(f"{TASKS}/auto", {})
        answer = await client.ask("DELETE", f"{TASKS}/{over.json['task_id']}")
        assert problem(answer) == (409, "is-over")

    run(asked())


def test_tasks_and_items_come_in_portions(client: Client, desk: StandInDesk) -> None:
    """Each names the next one; a cursor of somebody else's is refused."""

    async def all_of(path: str) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            page = (await client.get(f"{path}{cursor}")).json
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def asked() -> None:
        ids = [
            (await client.post(f"{TASKS}/auto", {"items_count": 25})).json["task_id"]
            for _ in range(5)
        ]
        found = await all_of(f"{TASKS}/results?limit=2")
        assert [each["task_id"] for each in found] == ids[::-1]
        assert not any(each["results"] for each in found)
        items = await all_of(f"{TASKS}/results/{ids[0]}/items?limit=10")
        assert [each["index"] for each in items] == list(range(25))
        some = await client.get(f"{TASKS}/results?status=failed")
        assert some.json == {"items": [], "next_cursor": None}
        for path in ("results?", f"results/{ids[0]}/items?"):
            wrong = await client.get(f"{TASKS}/{path}cursor=nonsense")
            assert problem(wrong) == (404, "no-such-cursor")
        gone = await client.ask("DELETE", f"{TASKS}/results")
        assert gone.json == {"forgotten": 5}

    run(asked())


# Events.


def events_in(body: bytes) -> list[tuple[str, Any]]:
    """The ids of events, and what they say."""
    found = re.findall(r"id: (.*)\nevent: task\ndata: (.*)\n\n", body.decode())
    return [(number, json.loads(data)) for number, data in found]


def test_events_come_in_order_and_are_resumed_without_loss(
    client: Client, desk: StandInDesk
) -> None:
    """Who was cut off says which event it heard last."""
    desk.is_quick = False

    async def asked() -> None:
        taken = await client.post(f"{TASKS}/background", {"items_count": 9})
        task = taken.json["task_id"]
        stream = client.begin("GET", f"{TASKS}/events/{task}")
        await stream.until("pending")
        await desk.change(task, TaskStatus.RUNNING, 3)
        await stream.until('"items_processed":3')
        stream.hang_up()
        heard = events_in((await stream.end()).body)
        await desk.change(task, TaskStatus.RUNNING, 6)
        headers = {"Last-Event-ID": heard[-1][0]}
        again = client.begin("GET", f"{TASKS}/events/{task}", headers=headers)
        await again.until('"items_processed":6')
        await desk.change(task, TaskStatus.COMPLETED, 9)
        rest = events_in((await again.end()).body)
        assert [int(number) for number, _ in [*heard, *rest]] == [0, 1, 2, 3]
        assert [each["items_processed"] for _, each in [*heard, *rest]] == [0, 3, 6, 9]
        assert rest[-1][1]["status"] == "completed"

        over = await client.get(f"{TASKS}/events/{task}", **{"Last-Event-ID": "3"})
        assert (over.status, over.body) == (204, b"")
        late = await client.get(f"{TASKS}/events/{task}", **{"Last-Event-ID": "1"})
        assert [number for number, _ in events_in(late.body)] == ["2", "3"]
        odd = await client.get(f"{TASKS}/events/{task}", **{"Last-Event-ID": "x²"})
        assert len(events_in(odd.body)) == 4

    run(asked())


# Comparisons, advice, and what there is.


def test_a_comparison_is_waited_for(client: Client, desk: StandInDesk) -> None:
    """As the document's line asks for it; with other limits it is refused."""
    answer = run(client.ask("POST", f"{TASKS}/compare?items_count=1000&workers=4"))

    assert answer.status == 200
    assert (answer.json["items_count"], answer.json["workers"]) == (1000, 4)
    for query, field in (
        ("items_count=0", "query.items_count"),
        ("items_count=100001", "query.items_count"),
        ("workers=x", "query.workers"),
        ("budget_s=nan", "query.budget_s"),
        ("nonsense=1", "query.nonsense"),
    ):
        wrong = run(client.ask("POST", f"{TASKS}/compare?{query}"))
        assert problem(wrong) == (422, "invalid-input")
        assert wrong.json["errors"][0]["field"] == field


@pytest.mark.parametrize("text", ["false", "False", "0", "off"])
def test_a_query_has_truth_values_as_clients_write_them(
    client: Client, text: str
) -> None:
    """Those of Python write ``False``; a word that is neither is refused."""
    path = f"{TASKS}/compare?items_count=10&simulate_db_delay="

    answer = run(client.ask("POST", f"{path}{text}"))
    wrong = run(client.ask("POST", f"{path}maybe"))

    assert answer.status == 200
    assert problem(wrong) == (422, "invalid-input")
    assert wrong.json["errors"][0]["field"] == "query.simulate_db_delay"


def test_a_comparison_is_not_asked_for_in_a_body(
    client: Client, desk: StandInDesk
) -> None:
    """As tasks are: what stands there would be without effect."""
    for body in (b'{"items_count": 10}', b"items_count=10", b"\xff"):
        wrong = run(client.ask("POST", f"{TASKS}/compare", body))
        assert problem(wrong) == (422, "invalid-input")
        assert "?items_count=1000&workers=4" in wrong.json["detail"]
    assert not desk.said
    for body in (b"", b" {} ", b"null"):
        assert run(client.ask("POST", f"{TASKS}/compare", body)).status == 200


def test_a_comparison_is_there_when_it_is_over(
    client: Client, desk: StandInDesk
) -> None:
    """Until then its status is; another task is no comparison."""
    desk.is_quick = False

    async def asked() -> None:
        prefer = {"Prefer": "respond-async"}
        taken = await client.ask("POST", f"{TASKS}/compare", headers=prefer)
        assert taken.status == 202
        url, task = taken.headers["location"], taken.json["task_id"]
        assert url == f"{TASKS}/compare/{task}"
        now = await client.get(url)
        assert (now.status, now.json["status"]) == (202, "pending")
        assert (now.headers["location"], now.headers["retry-after"]) == (url, "1")
        await desk.change(task, TaskStatus.COMPLETED)
        assert (await client.get(url)).json["best_approach"] == "auto"
        failed = (await client.ask("POST", f"{TASKS}/compare", headers=prefer)).json
        await desk.change(failed["task_id"], TaskStatus.FAILED)
        assert problem(await client.get(failed["status_url"])) == (500, "task-failed")
        other = await client.post(f"{TASKS}/background", {})
        no_one = await client.get(f"{TASKS}/compare/{other.json['task_id']}")
        assert problem(no_one) == (404, "unknown")

    run(asked())


def test_the_service_says_what_it_does(client: Client) -> None:
    """Seven methods, each at its path, and the limits of this machine."""
    told = run(client.get(f"{TASKS}/")).json

    paths = {each["path"].removeprefix(f"{TASKS}/") for each in told["methods"]}
    assert paths == {*SYNC, "background"}
    assert told["limits"]["items_count"] == 100_000
    assert told["limits"]["workers"] >= 16
    assert run(client.get(f"{TASKS}/recommendations")).json["based_on"] == "nothing"


@pytest.mark.parametrize(
    ("condition", "status", "ready"),
    [
        (Condition.OK, 200, 200),
        (Condition.DEGRADED, 200, 200),
        (Condition.DOWN, 503, 503),
    ],
)
def test_the_service_says_how_it_is(
    client: Client, desk: StandInDesk, condition: Condition, status: int, ready: int
) -> None:
    """And whom it serves; it is live in any case."""
    desk.condition = condition
    health = run(client.get("/health"))

    assert (health.status, health.json["status"]) == (status, condition)
    assert health.json["needs_key"] is False
    assert health.json["serves"] == "this machine alone"
    assert run(client.get("/health/ready")).status == ready
    assert run(client.get("/health/live")).status == 200


def test_what_is_not_there_is_a_problem_as_well(client: Client) -> None:
    """With the methods that are allowed."""
    assert problem(run(client.get("/nowhere"))) == (404, "no-such-path")
    wrong = run(client.get(f"{TASKS}/background"))
    assert problem(wrong) == (405, "no-such-method")
    assert wrong.headers["allow"] == "POST"
    both = run(client.ask("PUT", f"{TASKS}/results"))
    assert both.headers["allow"] == "GET, DELETE"
    assert run(client.ask("DELETE", f"{TASKS}/background")).status == 405


# Keys, and below a path.


@pytest.fixture
def keyed(tmp_path: Path) -> Client:
    settings = settings_in(tmp_path, api_keys=f"ada:{KEY}")
    desk = StandInDesk(settings)
    return Client(made_app(settings, desk), ("192.0.2.7", 1))


def test_with_keys_nothing_is_said_without_one(keyed: Client) -> None:
    """But the page, what it does, and that it lives."""
    for path in (f"{TASKS}/", f"{TASKS}/results", "/health", "/metrics", "/nowhere"):
        assert problem(run(keyed.get(path))) == (401, "no-key"), path
    for path in ("/docs", "/docs/api.css", "/openapi.json", "/health/live"):
        assert run(keyed.get(path)).status == 200, path
    told = run(keyed.get("/health", **{"X-API-Key": KEY})).json
    assert (told["needs_key"], told["serves"]) == (True, "whoever has a key")


def test_the_owner_of_a_key_is_told_to_the_desk(tmp_path: Path) -> None:
    """So that each has limits of its own."""
    settings = settings_in(tmp_path, api_keys=f"ada:{KEY}")
    desk = StandInDesk(settings)
    client = Client(made_app(settings, desk), ("192.0.2.7", 1))

    assert run(client.post(f"{TASKS}/auto", {}, **{"X-API-Key": KEY})).status == 200
    assert desk.said[0] == "start auto for ada"


def test_below_a_path_of_a_proxy_urls_have_it(desk: StandInDesk) -> None:
    """As the client has to ask for them."""
    app = FastAPI()
    app.mount("/heavy", made_app(desk.settings, desk))
    client = Client(app)

    async def asked() -> None:
        taken = await client.post(f"/heavy{TASKS}/background", {})
        url = taken.headers["location"]
        assert url.startswith(f"/heavy{TASKS}/status/")
        state = await client.get(url)
        assert state.json["results_url"].startswith(f"/heavy{TASKS}/results/")
        assert (await client.get(state.json["results_url"])).status == 200
        page = (await client.get("/heavy/docs")).body.decode()
        assert 'href="/heavy/docs/api.css"' in page

    run(asked())


# The page of the API.


def test_the_page_of_the_api_needs_nothing_from_elsewhere(client: Client) -> None:
    """No script, nothing inline, no other host; and all routes are on it."""
    page = run(client.get("/docs")).body.decode()
    document = run(client.get("/openapi.json")).json

    assert not re.findall(r"<script|<style|style=|onclick|javascript:", page)
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(each.startswith(("/", "#")) for each in sources)
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "at most 100000" in page
    other = run(client.get("/redoc"))
    assert (other.status, other.headers["location"]) == (307, "/docs")
    style = run(client.get("/docs/api.css"))
    assert style.headers["content-type"].startswith("text/css")
    assert style.headers["cache-control"] == "max-age=86400"


def test_openapi_names_every_operation_once(client: Client) -> None:
    """And says how each may be refused."""
    document = run(client.get("/openapi.json")).json
    operations = [
        (path, method, each)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    ]

    names = [each["operationId"] for _, _, each in operations]
    assert len(set(names)) == len(names)
    for path, method, each in operations:
        if path.startswith("/api/"):
            assert {"401", "403", "422", "429", "503"} <= each["responses"].keys()
        if method == "post" and "requestBody" in each:
            assert {"400", "413", "415"} <= each["responses"].keys()
