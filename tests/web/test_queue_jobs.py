"""All jobs over HTTP, for those who look after them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from cotality.jobs import JobStatus
from cotality.web import queues_router
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import wait_until
from tests.web.asgi import Client, run

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Five jobs that wait, one that has failed, and one that is done."""
    folder = tmp_path_factory.mktemp("jobs")
    made = Shop(f"sqlite:///{folder / 'jobs.db'}")
    with WorkerProgram(made.jobs.url, folder, "--slots", "2"):
        over = [made.fail.enqueue_sync("no"), made.add.enqueue_sync(1, 2)]
        wait_until(lambda: all(each.status_sync().is_over for each in over))
    for number in range(5):
        made.add.using(queue="later", job_id=f"wait/{number}").enqueue_sync(1, number)
    yield made
    made.jobs.close()


@pytest.fixture
def client(shop: Shop) -> Iterator[Client]:
    app = FastAPI()
    app.include_router(queues_router(shop.jobs))
    yield Client(app)
    shop.jobs.close()


def test_jobs_are_listed_in_portions_the_newest_first(client: Client) -> None:
    """Each portion begins behind the last one of that before."""
    first = run(client.get("/queues/jobs?queue=later&limit=2")).json
    assert [each["id"] for each in first["items"]] == ["wait/4", "wait/3"]
    assert first["next_before"] == "wait/3"
    path = f"/queues/jobs?queue=later&limit=3&before={first['next_before']}"
    second = run(client.get(path)).json
    assert [each["id"] for each in second["items"]] == ["wait/2", "wait/1", "wait/0"]
    assert second["next_before"] is None
    assert run(client.get("/queues/jobs?before=none")).status == 404
    assert run(client.get("/queues/jobs?limit=0")).status == 422


def test_jobs_are_chosen_by_how_they_stand(client: Client) -> None:
    """By one status or several, by their queue and by their function."""

    def names(query: str) -> list[str]:
        found = run(client.get(f"/queues/jobs?{query}")).json["items"]
        return [each["name"].rpartition(".")[2] for each in found]

    assert names("status=FAILED") == ["fail"]
    assert sorted(names("status=FAILED&status=SUCCEEDED")) == ["add", "fail"]
    assert names("name=tests.jobs.shop.fail") == ["fail"]
    assert len(names("limit=1000")) == 7
    assert run(client.get("/queues/jobs?status=DEAD")).status == 422


def test_all_about_a_job_is_told(client: Client, shop: Shop) -> None:
    """Also if its id has a slash; with its attempts and what they have raised."""
    (letter,) = shop.jobs.dead()
    told = run(client.get(f"/queues/jobs/{letter.id}")).json
    assert (told["status"], told["attempt"]) == ("FAILED", letter.attempt)
    assert told["arguments"] == letter.arguments
    assert "ValueError: no" in told["traceback"]
    assert [each["error"] for each in told["attempts"]] == ["no"]
    waits = run(client.get("/queues/jobs/wait/0")).json
    assert (waits["status"], waits["attempts"], waits["started"]) == (
        "QUEUED",
        [],
        None,
    )
    assert run(client.get("/queues/jobs/none")).status == 404
    assert run(client.get(f"/queues/jobs/{'x' * 513}")).status == 422


def test_a_job_is_cancelled_once(client: Client, shop: Shop) -> None:
    """Again does no harm; one that is over is refused."""
    for _ in range(2):
        told = run(client.ask("DELETE", "/queues/jobs/wait/0"))
        assert (told.status, told.json["status"]) == (200, "CANCELLED")
    assert shop.jobs.handle("wait/0").status_sync() is JobStatus.CANCELLED
    (letter,) = shop.jobs.dead()
    refused = run(client.ask("DELETE", f"/queues/jobs/{letter.id}"))
    assert (refused.status, "is over" in refused.json["detail"]) == (409, True)
