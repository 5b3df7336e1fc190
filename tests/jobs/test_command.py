"""``python -m cotality.jobs``: what it says, and what it does."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cotality.jobs import Jobs
from cotality.jobs._jobs.cli import command_line

pytest.importorskip("sqlalchemy")


def greet(name: str) -> str:
    return f"hello {name}"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    with Jobs(f"sqlite:///{tmp_path}/jobs.db") as made:
        monkeypatch.setattr(command_line, "jobs_named", {"shop:jobs": made}.__getitem__)
        yield made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert command_line.main([arguments[0], "shop:jobs", *arguments[1:]]) == code
    out, error = capsys.readouterr()
    return out if code == 0 or out else error


def test_jobs_are_listed_and_shown(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people, and as JSON for programs."""
    handle = jobs.job(greet).using(queue="mail").enqueue_sync("Ada")

    table = said(capsys, "list")
    (listed,) = json.loads(said(capsys, "list", "--json", "--queue", "mail"))
    shown = json.loads(said(capsys, "show", "--json", handle.id))

    assert handle.id in table
    assert listed["id"] == handle.id
    assert shown["arguments"] == '{"name": "Ada"}'
    assert (shown["status"], shown["attempts"]) == ("QUEUED", [])
    assert "QUEUED" in said(capsys, "show", handle.id)
    assert json.loads(said(capsys, "list", "--json", "--dead")) == []


def test_dead_letters_are_retried_and_purged(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, or those of a queue, or by their ids."""
    ids = [each.id for each in jobs.job(greet).enqueue_many_sync([("a",), ("b",)])]
    kill(jobs)
    assert said(capsys, "retry", "--dead", "--queue", "other", code=1)
    assert json.loads(said(capsys, "retry", "--json", "--dead"))["left"] == []
    assert not jobs.dead()
    kill(jobs)
    assert said(capsys, "purge", ids[0]) == "purged 1 of 1\n"
    assert said(capsys, "purge", "--dead") == "purged 1 of 1\n"
    assert jobs.list() == []


def kill(jobs: Jobs) -> None:
    with jobs.base.database.writing() as connection:
        connection.exec_driver_sql("UPDATE cotality_jobs SET state = 'FAILED'")


def test_jobs_are_cancelled(jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    """What was over is told, in the exit code too."""
    handle = jobs.job(greet).enqueue_sync("Ada")

    assert said(capsys, "cancel", handle.id) == "cancelled 1 of 1\n"
    assert said(capsys, "cancel", handle.id, code=1) == "cancelled 0 of 1\n"
    assert "name jobs by their ids" in said(capsys, "cancel", code=1)


def test_queues_that_nobody_serves_are_told(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the figures of each queue."""
    assert said(capsys, "stats") == "no jobs, and no workers\n"
    jobs.job(greet).using(queue="mail", delay=timedelta(hours=1)).enqueue_sync("Ada")

    (found,) = json.loads(said(capsys, "stats", "--json"))["queues"]

    assert (found["queue"], found["delayed"], found["is_unserved"]) == ("mail", 1, True)
    assert "queue 'mail': jobs wait, and no worker serves it" in said(capsys, "stats")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "nonsense"], "a queue of jobs is given as module:name"),
        (["list", "no_such_module:jobs"], "No module named 'no_such_module'"),
        (["list", "math:pi"], "math:pi is not a Jobs"),
        (["worker", "math:pi", "--queue", "a=x"], "math:pi is not a Jobs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the standard error, with the exit code 1."""
    assert command_line.main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("poll", ["0", "-1", "nan", "inf"])
def test_a_worker_looks_now_and_then(
    jobs: Jobs, capsys: pytest.CaptureFixture[str], poll: str
) -> None:
    """Neither all the time nor never."""
    assert "poll must be from 0.001 to 60 seconds" in said(
        capsys, "worker", "--poll", poll, code=1
    )


def test_a_job_is_shown_by_the_begin_of_its_id(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """If no other one begins so."""
    job = jobs.job(greet)
    for id in ("abc1", "abc2"):
        job.using(job_id=id).enqueue_sync("Ada")

    assert "abc1" in said(capsys, "show", "abc1")
    assert "begin with 'abc'" in said(capsys, "show", "abc", code=1)
    assert "no job 'x'" in said(capsys, "show", "x", code=1)
    job.using(job_id="abc").enqueue_sync("Ada")
    assert "abc\n" in said(capsys, "show", "abc")
    jobs.cancel("abc")
    jobs.purge(["abc"])
    jobs.cancel("abc2")
    jobs.purge(["abc2"])
    assert "abc1" in said(capsys, "show", "ab")
    assert "must have 1 to 500" in said(capsys, "show", "", code=1)


@pytest.mark.parametrize(
    ("command", "word"),
    [("cancel", "cancelled"), ("retry", "requeued"), ("purge", "purged")],
)
def test_jobs_are_named_by_the_begins_of_their_ids(
    jobs: Jobs, capsys: pytest.CaptureFixture[str], command: str, word: str
) -> None:
    """Likewise; one that there is not is told, and the others go on."""
    jobs.job(greet).using(job_id="abc1").enqueue_sync("Ada")
    if command != "cancel":
        kill(jobs)

    assert command_line.main([command, "shop:jobs", "x", "ab", "--json"]) == 1

    out, error = capsys.readouterr()
    assert json.loads(out) == {word: ["abc1"], "left": ["x"]}
    assert ("no job 'x'" in error) == (command != "purge")


def test_nothing_is_the_begin_of_no_id(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as a variable of a script that is empty: it means no job at all."""
    jobs.job(greet).enqueue_sync("Ada")
    kill(jobs)

    assert said(capsys, "purge", "", code=1) == "purged 0 of 1\n"
    assert len(jobs.dead()) == 1


def test_the_first_thing_that_is_asked_of_a_store(
    jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables are made, and there is no such job."""
    assert "there is no job 'x'" in said(capsys, "show", "x", code=1)


@pytest.mark.parametrize(
    ("texts", "found"),
    [([], None), (["mail=4", "image"], {"mail": 4, "image": None})],
)
def test_queues_are_named_with_their_slots(texts: list[str], found: Any) -> None:
    """One slot if nothing is said; none named are all of them."""
    assert command_line.queues_in(texts) == found


@pytest.mark.parametrize("text", ["mail=x", "mail=0", "=4", "mail=-1"])
def test_slots_are_a_number(text: str) -> None:
    """At least one."""
    with pytest.raises((command_line.CannotDoError, ValueError)):
        command_line.queues_in([text])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="has no SIGHUP")
def test_who_ignores_a_closed_terminal_goes_on() -> None:
    """As ``nohup`` has it."""
    names = ("SIGTERM", "SIGINT", "SIGHUP")
    numbers = [getattr(signal, name) for name in names]
    before = [signal.getsignal(number) for number in numbers]
    try:
        for ignored in (True, False):
            signal.signal(numbers[2], signal.SIG_IGN if ignored else signal.SIG_DFL)
            command_line.stop_on_signals(threading.Event())
            assert (signal.getsignal(numbers[2]) is signal.SIG_IGN) == ignored
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
