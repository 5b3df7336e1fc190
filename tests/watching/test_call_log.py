"""With level INFO each call leaves one line: what was decided, why, and what came."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    Journal,
    Retry,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
)
from cotality.tuning import (
    PoolManager,
    configure_logging,
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
)
from cotality.tuning._tuning.logs import logging_setup
from tests.kit.helpers import Failure, Gate, echo, wait_then

LOGGER = "cotality.core.utils.process"


def refuse(number: int) -> int:
    if number == 2:
        raise Failure("a secret")
    return number


def tasks(count: int) -> list[Task[int]]:
    return [Task(echo, {"value": number}) for number in range(count)]


Calls = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def calls(caplog: pytest.LogCaptureFixture) -> Iterator[Calls]:
    """Gives what has been logged of calls since it was last asked."""

    def logged() -> list[dict[str, Any]]:
        found = [vars(each) for each in caplog.records if each.levelno == logging.INFO]
        caplog.clear()
        ours = [each.get("call") or each.get("plan") for each in found]
        return [each for each in ours if each]  # a journal has something to say, too

    with caplog.at_level(logging.INFO, LOGGER):
        yield logged


async def awaited(coroutine: Any) -> Any:
    return await coroutine


ENTRIES: dict[str, Callable[[], object]] = {
    "execute": lambda: execute(echo, range(3)),
    "execute in a loop": lambda: execute(echo, range(3), n_jobs=1),
    "execute on threads": lambda: execute(echo, range(3), executor="threads"),
    "execute, verbose": lambda: execute(echo, range(3), verbose=True),
    "execute an iterator": lambda: execute(echo, iter(range(3))),
    "execute_async": lambda: asyncio.run(awaited(execute_async(echo, range(3)))),
    "optimize_streaming": lambda: list(optimize_streaming(echo, range(3))),
    "process_in_batches": lambda: list(
        process_in_batches(echo, range(3), batch_size=2)
    ),
    "core": lambda: execute_tasks_in_parallel(tasks(3)),
    "core, async": lambda: asyncio.run(
        awaited(execute_tasks_in_parallel_async(tasks(3)))
    ),
    "core, streaming": lambda: list(execute_tasks_in_parallel_streaming(tasks(3))),
    "core, auto": lambda: execute_tasks_in_parallel(tasks(3), use_processes="auto"),
    "outcomes": lambda: list(iter_outcomes(tasks(3))),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_call_leaves_one_line(entry: str, calls: Calls) -> None:
    """Whichever way it was made, and it names what ran."""
    ENTRIES[entry]()

    (call,) = calls()
    assert (call["function"], call["done"], call["failed"]) == ("echo", 3, 0)
    assert call["total"] == 3
    assert call["error"] == ""


def test_a_line_says_who_decided_and_why(calls: Calls) -> None:
    """The machine, a plan, or the caller."""
    data = list(range(4))
    execute(echo, data)
    plan = optimize(echo, data)
    execute(echo, data, plan=plan)
    execute(echo, data, plan=plan, executor="threads", n_jobs=2)

    by_auto, planned, by_plan, by_caller = calls()
    assert by_auto["decided_by"] == "auto"
    # By the loop alone, or on a busy machine by who stands in for it.
    assert by_auto["reason"].split(" would ")[0] in (
        "it was over before anything else",
        "anything else",
    )
    assert planned["reason"] == plan.reason
    assert (by_plan["decided_by"], by_plan["reason"]) == ("plan", plan.reason)
    assert (by_caller["decided_by"], by_caller["workers"]) == ("caller", 2)


def test_what_is_decided_on_the_way_is_what_it_says(calls: Calls) -> None:
    """Here: threads, for tasks that wait."""
    waiting = [Task(time.sleep, positional=(0.02,))] * 40
    execute_tasks_in_parallel(waiting, use_processes="auto")

    (call,) = calls()
    assert (call["place"], call["decided_by"]) == ("threads", "auto")
    assert call["workers"] > 1
    assert call["reason"]


@pytest.mark.parametrize(
    ("options", "place", "workers"),
    [
        ({"executor": "threads", "n_jobs": 3}, "threads", 3),
        ({"executor": "processes", "n_jobs": 2}, "processes", 2),
        ({"executor": "sequential"}, "inline", 1),
        ({"executor": "sequential", "retries": 1}, "inline", 1),
    ],
)
def test_a_line_says_where(
    options: dict[str, Any], place: str, workers: int, calls: Calls
) -> None:
    """And on how many workers."""
    execute(echo, range(4), **options)

    (call,) = calls()
    assert (call["place"], call["workers"]) == (place, workers)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "the caller asked for nothing else"),
        ({"use_processes": False}, "the caller asked for nothing else"),
        ({"processes": False}, "the caller said so"),
        ({"executor": "threads"}, "the caller said so"),
        ({"use_processes": True}, "the caller said so"),
        ({"inline": True}, "the caller said so"),
        (
            {"use_processes": "auto", "timeout": 9},
            "timeout needs worker processes",
        ),
    ],
)
def test_nobody_is_said_to_have_said_what_is_the_default(
    options: dict[str, Any], reason: str, calls: Calls
) -> None:
    """A call of tasks runs on threads if nothing is said."""
    execute_tasks_in_parallel(tasks(1), **options)

    (call,) = calls()
    assert (call["decided_by"], call["reason"]) == ("caller", reason)


def test_an_executor_of_others_goes_by_its_class(calls: Calls) -> None:
    """With as many workers as it has."""
    with ThreadPoolExecutor(3) as executor:
        execute(echo, range(4), executor=executor)

    (call,) = calls()
    assert (call["place"], call["workers"]) == ("ThreadPoolExecutor", 3)


@pytest.mark.parametrize("options", [{}, {"n_jobs": 1}, {"executor": "threads"}])
def test_a_failure_is_told(
    options: dict[str, Any], calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """By its class: its text may hold what should not stand in a log."""
    with pytest.raises(Failure):
        execute(refuse, [0, 1, 2], **options)

    assert "secret" not in caplog.text
    (call,) = calls()
    assert (call["failed"], call["error"]) == (1, "Failure")
    assert "done" not in call["reason"]  # not all was


def test_failures_that_are_returned_are_counted(calls: Calls) -> None:
    """And attempts; the call itself has raised nothing."""
    retry = Retry(2, backoff=0.0, jitter=False)
    execute(refuse, range(4), on_error="return", retries=retry)

    (call,) = calls()
    assert (call["done"], call["failed"], call["retries"]) == (3, 1, 2)
    assert call["error"] == ""


def test_what_a_journal_knew_is_told(calls: Calls, tmp_path: Path) -> None:
    """It was not run in this call."""
    journal = Journal(tmp_path / "run.jsonl")
    execute_tasks_in_parallel(tasks(3), journal=journal)
    execute_tasks_in_parallel(tasks(5), journal=journal, resume=True)

    assert [(each["done"], each["recalled"]) for each in calls()] == [(3, 0), (5, 3)]


def test_a_stream_that_is_left_is_no_error(calls: Calls) -> None:
    """Its line comes when it is left, with what was done until then."""
    stream = optimize_streaming(echo, range(1000), executor="threads", n_jobs=1)
    next(stream)
    assert calls() == []
    stream.close()

    (call,) = calls()
    assert 1 <= call["done"] < 1000 == call["total"]
    assert call["error"] == ""


def test_a_manager_and_a_comparison_are_logged(calls: Calls) -> None:
    """Both runs of the comparison, and its plan."""
    manager = PoolManager(1)
    try:
        manager.execute(echo, range(2))
    finally:
        manager.shutdown()
    validate_optimization(echo, range(5))

    places = [each.get("place", "plan") for each in calls()]
    assert places == ["processes", "plan", "inline", "inline"]


def test_nothing_is_logged_that_nobody_wants(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a level that asks for it: one for the whole program does not."""
    with caplog.at_level(logging.INFO):
        execute(echo, range(3))
        execute_tasks_in_parallel(tasks(3))

    assert caplog.records == []


def test_configured_logging_has_a_line_for_each_call(tmp_path: Path) -> None:
    """As JSON, in the file that was named."""
    file = tmp_path / "optimization.log"
    logger = logging.getLogger("cotality")
    before = logger.level, logger.propagate
    handler = configure_logging(logging.INFO, format="json", log_file=file)
    try:
        execute(echo, range(3), executor="threads", n_jobs=2)
    finally:
        logger.removeHandler(handler)
        handler.close()
        logging_setup.current = None
        logger.setLevel(before[0])
        logger.propagate = before[1]

    (line,) = map(json.loads, file.read_text().splitlines())
    assert line["message"].startswith(
        "3 tasks of echo on 2 threads (the caller said so): 3 done in "
    )
    assert line["call"]["seconds"] > 0


@pytest.mark.parametrize(
    ("options", "most"),
    [({}, 4), ({"use_processes": "auto"}, 4), ({"inline": True}, 1)],
)
def test_the_line_at_the_start_says_how_many_workers_there_may_be(
    options: dict[str, Any], most: int, caplog: pytest.LogCaptureFixture, gate: Gate
) -> None:
    """At DEBUG; also where it begins with one."""
    gate.open()
    with caplog.at_level(logging.DEBUG, LOGGER):
        execute_tasks_in_parallel(
            [Task(wait_then, {"gate": gate, "value": 1})] * 3, 4, **options
        )

    assert f"starting: 3 tasks on up to {most} worker" in caplog.text
