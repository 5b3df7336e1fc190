"""What a call ends itself has not failed, and what it gives up has run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    Outcome,
    Retry,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    iter_outcomes,
    replay,
)
from tests.kit.helpers import Gate
from tests.kit.limits import LONG_S


def wait_once(gate: Gate, number: int) -> int:
    """Only the first one comes to its end before the gate is open."""
    if number:
        gate.wait()
    return number


Way = Callable[[list[Task[int]], dict[str, Any]], object]  # Any: options


def left_early(tasks: list[Task[int]], options: dict[str, Any]) -> None:
    for _ in execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0, **options):
        return


def interrupted(stream: Iterable[object]) -> None:
    for _ in stream:
        raise KeyboardInterrupt


def struck(tasks: list[Task[int]], options: dict[str, Any]) -> None:
    """A Ctrl-C, when the first result is there."""
    stream = execute_tasks_in_parallel_streaming(tasks, 2, True, grace=0, **options)
    with pytest.raises(KeyboardInterrupt):
        interrupted(stream)


def cancelled(tasks: list[Task[int]], options: dict[str, Any]) -> None:
    async def main() -> None:
        # Asked for, not hoped for: it is cancelled once the first task has its result.
        done = asyncio.Event()
        options["progress"] = lambda seen: seen.done and done.set()
        call = asyncio.create_task(
            execute_tasks_in_parallel_async(tasks, 2, True, **options)
        )
        await asyncio.wait_for(done.wait(), LONG_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())


@pytest.mark.parametrize("end", [left_early, struck, cancelled])
def test_a_run_that_resumes_runs_what_was_ended(
    end: Way, gate: Gate, tmp_path: Path
) -> None:
    """And dead letters do not have it."""
    tasks = [
        Task(wait_once, {"gate": gate, "number": number}, label=f"{number}")
        for number in range(4)
    ]
    journal, letters = Journal(tmp_path / "run.jsonl"), DeadLetters(tmp_path / "dead")
    end(tasks, {"journal": journal, "dead_letters": letters})
    assert letters.entries() == []

    gate.open()
    found = execute_tasks_in_parallel(tasks, 2, True, journal=journal, resume=True)
    assert found == [0, 1, 2, 3]


def refuse(gate: Gate, mark: Path, number: int) -> None:
    if mark.exists() and number:
        gate.wait()
    raise ConnectionError(f"no route for {number}")


def test_a_replay_that_is_ended_leaves_letters_as_they_were(
    gate: Gate, tmp_path: Path
) -> None:
    """With what their tasks failed with."""
    letters = DeadLetters(tmp_path / "dead")
    mark = tmp_path / "again"
    tasks = [
        Task(refuse, {"gate": gate, "mark": mark, "number": n}, label=f"{n}")
        for n in range(3)
    ]
    # One after the other, so that the letters are in this order, and 0 comes first.
    execute_tasks_in_parallel(tasks, 1, on_error="return", dead_letters=letters)
    before = {(each.error, each.message) for each in letters.entries()}
    assert len(before) == 3

    mark.touch()

    def strike(seen: Any) -> None:  # Any: a snapshot
        if seen.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(letters, use_processes=True, max_workers=2, progress=strike)
    gate.open()
    after = {(each.error, each.message) for each in letters.entries()}
    assert after == before


def fail(number: int) -> None:
    raise ValueError(number)


def test_a_task_that_is_given_up_between_attempts_has_run(use_processes: bool) -> None:
    """Its outcome says when, where and how often."""
    policy = Retry(1, on=lambda error: error.args[0] != 1, backoff=LONG_S, jitter=False)
    outcomes = iter_outcomes(
        [Task.of(fail, number) for number in range(2)],
        1,
        use_processes,
        retries=policy,
        max_failures=1,
        ordered=False,
    )
    found: list[Outcome[None]] = []
    with pytest.raises(ExceptionGroup):
        found.extend(outcomes)
    (given_up,) = (each for each in found if each.index == 0)
    assert given_up.started_at is not None
    assert given_up.worker
    assert given_up.attempts == 1


def send_by(kind: str) -> Callable[[str], None]:
    if kind == "mail":

        def send(text: str) -> None:
            raise ConnectionError("mail")

    else:

        def send(text: str) -> None:
            raise ConnectionError("fax")

    return send


def test_failures_of_one_call_are_a_letter_each(tmp_path: Path) -> None:
    """Whatever they have in common: label, name of the function, arguments."""
    letters = DeadLetters(tmp_path / "dead")
    tasks = [Task(fail, {"number": number}, label="May") for number in range(3)]
    tasks += [Task.of(fail, 7)] * 2
    tasks += [Task.of(send_by(kind), "hello") for kind in ("mail", "fax")]
    execute_tasks_in_parallel(tasks, 2, on_error="return", dead_letters=letters)
    messages = sorted(each.message for each in letters.entries())
    assert messages == ["0", "1", "2", "7", "7", "fax", "mail"]


USER = ContextVar("user", default="nobody")


def told(
    function: int, self: int, call: int, number: int, context: int, positional: int
) -> tuple[object, ...]:
    return function, self, call, number, context, positional, USER.get()


def test_arguments_may_have_any_name(use_processes: bool) -> None:
    """Also where tasks have a context, a report or a time limit."""
    names = ("function", "self", "call", "number", "context", "positional")
    given = {name: place for place, name in enumerate(names)}
    tasks = [Task(told, given)]
    run = execute_tasks_in_parallel
    expected = [(0, 1, 2, 3, 4, 5, "Ada")]
    token = USER.set("Ada")
    try:
        assert run(tasks, 1, use_processes, context=[USER]) == expected
        assert run(tasks, 1, use_processes, context=[USER], retries=1) == expected
        found = iter_outcomes(tasks, 1, use_processes, context=[USER])
        assert [each.value for each in found] == expected
    finally:
        USER.reset(token)
