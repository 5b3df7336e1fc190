"""Patterns of work that outlives the request, from end to end.

One worker serves the whole module, for a few seconds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotality.jobs import JobFailedError, JobStatus
from cotality.jobs._jobs.cli.command_line import main
from cotality.jobs.feeds import Feeds
from cotality.jobs.webhooks import (
    Event,
    Message,
    Receiver,
    StandardWebhook,
)
from tests.jobs import pattern_jobs
from tests.jobs.hooked import hook
from tests.jobs.pattern_jobs import SECRET, PatternJobs
from tests.jobs.test_webhooks_in import standard
from tests.jobs.workers import WorkerProgram
from tests.kit.at_once import at_once
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy", reason="the extra of jobs is not installed")
pytest.importorskip("cronsim", reason="the extra of jobs is not installed")

pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module", autouse=True)
def two_workers(place: Path) -> Iterator[None]:
    """For all tests of this module, of which none leaves a process."""
    target = "tests.jobs.pattern_jobs:jobs"
    with (
        WorkerProgram(url_in(place), place, target=target),
        WorkerProgram(url_in(place), place, target=target),
    ):
        yield


def url_in(place: Path) -> str:
    return f"sqlite:///{place}/jobs.db"


@pytest.fixture
def shop(place: Path) -> Iterator[PatternJobs]:
    made = PatternJobs(url_in(place))
    yield made
    made.jobs.close()


def runs_in(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.ran"))


@pytest.mark.parametrize("counts", [True, False], ids=["counts", "does not count"])
def test_a_body_says_when_to_try_again(
    shop: PatternJobs, tmp_path: Path, counts: bool
) -> None:
    """Without any Retry, after short pauses and longer ones, and what counts counts."""
    longer = 2.2 if counts else 0.1  # a worker waits for short ones itself
    handle = shop.later.enqueue_sync(f"{tmp_path}", [0.0, 0.1, longer], counts)

    assert handle.result_sync(LONG_S) == (4 if counts else 1)
    wanted = ["0-1", "1-2", "2-3", "3-4"] if counts else ["0-1", "1-1", "2-1", "3-1"]
    assert runs_in(tmp_path) == wanted
    assert [each.error for each in handle.attempts_sync()] == ["not yet"] * 3 + [None]


def test_a_body_says_that_it_is_of_no_use(shop: PatternJobs, tmp_path: Path) -> None:
    """Then it is a dead letter at once."""
    handle = shop.later.enqueue_sync(f"{tmp_path}", [None], True)

    with pytest.raises(JobFailedError, match="not yet"):
        handle.result_sync(LONG_S)
    assert runs_in(tmp_path) == ["0-1"]


def test_a_webhook_that_fails_three_times(shop: PatternJobs, tmp_path: Path) -> None:
    """Is one job of four attempts, and four requests of one id."""
    with hook([(500, {}), (503, {}), (429, {}), (200, {})]) as listener:
        message = Message.of("user.updated", {"id": 7})
        handle = shop.send_webhook.enqueue_sync(
            message, listener.url, f"{tmp_path / 'states.db'}"
        )
        assert handle.result_sync(LONG_S) == 200

    assert {got.headers["webhook-id"] for got in listener.got} == {message.id}
    assert len(listener.got) == len(handle.attempts_sync()) == 4
    for got in listener.got:
        receiver = Receiver(StandardWebhook([SECRET]))
        assert receiver.receive(got.headers, got.body).data["data"] == {"id": 7}


def test_a_webhook_to_somebody_who_is_gone(shop: PatternJobs, tmp_path: Path) -> None:
    """Is a dead letter, and so is the next one, without being sent."""
    with hook([(410, {}), (200, {})]) as listener:
        for said in ("answered 410", "is disabled"):
            handle = shop.send_webhook.enqueue_sync(
                Message.of("a", 1), listener.url, f"{tmp_path / 'states.db'}"
            )
            with pytest.raises(JobFailedError, match=said):
                handle.result_sync(LONG_S)

    assert len(listener.got) == 1


def test_a_hundred_times_the_same_event(shop: PatternJobs) -> None:
    """At once: each is answered with 200, and there is one job, which runs once."""

    def store(event: Event) -> None:
        shop.process_payment.using(job_id=event.job_id).enqueue_sync(event.data)

    receiver = Receiver(StandardWebhook([SECRET], now=lambda: 1_800_000_000), store)
    body = json.dumps({"id": "pay-1"}).encode()

    def send() -> list[int]:
        headers = standard(body, SECRET)
        return [receiver.answer(headers, body).status for _ in range(10)]

    assert at_once(*[send] * 10) == [[200] * 10] * 10
    handle = shop.jobs.handle("standard:msg_1")
    assert handle.result_sync(LONG_S) == "paid pay-1"
    assert len(shop.jobs.list(name="tests.jobs.pattern_jobs.process_payment")) == 1
    assert len(handle.attempts_sync()) == 1


def test_a_post_for_many(shop: PatternJobs, tmp_path: Path) -> None:
    """Is in all feeds when its job is done, which says how far it is."""
    url = f"sqlite:///{tmp_path / 'feeds.db'}"

    handle = shop.deliver.enqueue_sync(url, "p1")

    assert handle.result_sync(LONG_S) == 1200
    progress = handle.progress_sync()
    assert progress is not None
    assert (progress.done, progress.total) == (1200, 1200)
    with Feeds(url, followers=str, following=pattern_jobs.following) as feeds:
        assert [post.id for post in feeds.read("u1199")] == ["p1"]


def test_two_workers_and_one_schedule(shop: PatternJobs) -> None:
    """Each tick is one job, and runs once."""

    def done() -> list[str]:
        found = shop.jobs.list(status=JobStatus.SUCCEEDED, limit=1000)
        return [info.id for info in found if info.id.startswith("ticks@")]

    wait_until(lambda: len(done()) >= 3)
    ids = done()

    assert len(set(ids)) == len(ids)
    for each in ids:
        assert re.fullmatch(r"ticks@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each)
        assert len(shop.jobs.handle(each).attempts_sync()) == 1


def test_the_command_lists_schedules(
    shop: PatternJobs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what was last, and what comes next."""
    monkeypatch.setattr(pattern_jobs, "jobs", shop.jobs, raising=False)

    assert main(["schedules", "tests.jobs.pattern_jobs:jobs", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["name"], row["job"]) == ("ticks", "tests.jobs.pattern_jobs.tick")
    assert row["when"] == "every 0:00:01"
    assert row["last"] < row["next"]

    assert main(["schedules", "tests.jobs.pattern_jobs:jobs"]) == 0
    assert "tests.jobs.pattern_jobs.tick" in capsys.readouterr().out


def test_the_store_is_of_these_tests(place: Path) -> None:
    """Nothing of the environment has led elsewhere."""
    assert (place / "jobs.db").is_file()
    assert "COTALITY_JOBS_URL" not in os.environ
