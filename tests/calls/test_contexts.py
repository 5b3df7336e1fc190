"""What tasks see of the caller's context variables, on threads and on processes."""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    Task,
    TaskNotPicklableError,
    execute_tasks_in_parallel,
    iter_outcomes,
)
from tests.kit.helpers import echo, run_script
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

MANY = 700  # tiny tasks, so that hundreds travel in one portion

name: ContextVar[Any] = ContextVar("name", default="nobody")


class Moody:
    """Cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]  # it has none then


def see_and_change(value: object) -> object:
    """What `name` is, and leave something else in it."""
    seen = name.get()
    name.set(value)
    return seen


def change_sometimes(number: int) -> object:
    return see_and_change(number) if number % 7 == 3 else name.get()


def results(tasks: list[Task[Any]], *, inline: bool = False) -> list[Any]:
    return execute_tasks_in_parallel(tasks, 2, inline=inline)


each_thread = pytest.mark.parametrize(
    "inline", [False, True], ids=["threads", "inline"]
)


@each_thread
def test_a_task_does_not_see_what_another_has_set(inline: bool) -> None:
    """Where the caller has set nothing, each task finds nothing."""

    def call() -> list[Any]:
        tasks = [Task(change_sometimes, {"number": i}) for i in range(MANY)]
        return results(tasks, inline=inline)

    assert copy_context().run(call) == ["nobody"] * MANY
    assert name.get() == "nobody"


@each_thread
@pytest.mark.parametrize(
    "value", ["caller", [], Moody()], ids=["text", "list", "moody"]
)
def test_a_task_finds_what_the_caller_has_set(inline: bool, value: object) -> None:
    """It is the caller's very object, also after a task has set one that is equal."""

    def call() -> list[Any]:
        name.set(value)
        tasks = [Task(see_and_change, {"value": []}) for _ in range(MANY)]
        found = results(tasks, inline=inline)
        assert name.get() is value
        return found

    assert all(found is value for found in copy_context().run(call))


def test_a_task_that_fails_leaves_nothing_either() -> None:
    """What a task has set before it failed is gone with it."""

    def set_and_fail(number: int) -> object:
        seen = see_and_change(number)
        if number % 7 == 3:
            raise ValueError(seen)
        return seen

    def call() -> list[Any]:
        tasks = [Task(set_and_fail, {"number": i}) for i in range(MANY)]
        return execute_tasks_in_parallel(tasks, 2, return_exceptions=True)

    for outcome in copy_context().run(call):
        assert outcome == "nobody" or outcome.args == ("nobody",)


def test_values_that_come_and_go_do_not_disturb() -> None:
    """A task may set a variable and reset it."""

    def visit(number: int) -> tuple[object, object]:
        before = name.get()
        token = name.set(number)
        within = name.get()
        name.reset(token)
        return before, within

    found = results([Task(visit, {"number": i}) for i in range(MANY)])

    assert found == [("nobody", i) for i in range(MANY)]


# On processes, what was asked for.


tenant: ContextVar[str] = ContextVar("tenant")
language: ContextVar[str] = ContextVar("language", default="en")


def seen() -> tuple[str | None, str]:
    return tenant.get(None), language.get()


def test_processes_see_the_variables_that_were_asked_for() -> None:
    """And of the others their defaults."""

    def call() -> list[tuple[str | None, str]]:
        tenant.set("a")
        language.set("de")
        return execute_tasks_in_parallel(
            [Task(seen)] * 3, 2, use_processes=True, context=[tenant]
        )

    assert copy_context().run(call) == [("a", "en")] * 3


def test_each_call_has_its_own_values_in_warm_workers() -> None:
    """Those of the caller when it called."""

    def call(value: str) -> tuple[str | None, str]:
        tenant.set(value)
        (result,) = execute_tasks_in_parallel(
            [Task(seen)], 1, use_processes=True, context=[tenant, language]
        )
        return result

    assert [copy_context().run(call, value) for value in "abc"] == [
        ("a", "en"),
        ("b", "en"),
        ("c", "en"),
    ]
    assert execute_tasks_in_parallel([Task(seen)], 1, True) == [(None, "en")]


def set_and_see(value: str) -> tuple[str | None, str]:
    before = tenant.get(None)
    tenant.set(value)
    return before, tenant.get()


def test_what_a_task_sets_no_other_sees() -> None:
    """Each runs in a copy, also those of one portion."""

    def call() -> list[tuple[str | None, str]]:
        tenant.set("caller")
        tasks = [Task(set_and_see, {"value": f"{i}"}) for i in range(200)]
        return execute_tasks_in_parallel(tasks, 2, use_processes=True, context=[tenant])

    assert copy_context().run(call) == [("caller", f"{i}") for i in range(200)]


def test_a_variable_that_no_module_holds_is_the_same_for_value_and_function() -> None:
    """It is made once in each worker, for all that refers to it."""
    local: ContextVar[int] = ContextVar("local", default=7)

    def call() -> list[int]:
        local.set(3)
        with_value = execute_tasks_in_parallel(
            [Task(lambda: local.get())] * 3, 1, use_processes=True, context=[local]
        )
        without = execute_tasks_in_parallel([Task(lambda: local.get())], 1, True)
        return with_value + without

    assert copy_context().run(call) == [3, 3, 3, 7]


def test_a_variable_that_comes_back_is_the_same() -> None:
    """With a place to import it from, and without."""
    local: ContextVar[int] = ContextVar("local")

    results = execute_tasks_in_parallel(
        [Task(echo, {"value": each}) for each in (local, tenant)], 1, True
    )

    assert results[0] is local
    assert results[1] is tenant


def test_a_script_may_hold_the_variable(tmp_path: Path) -> None:
    """Its main module, which no worker has."""
    source = """
from contextvars import ContextVar
from cotality.core.utils.process import Task, execute_tasks_in_parallel

user = ContextVar("user", default="nobody")

def who():
    return user.get()

user.set("somebody")
print(execute_tasks_in_parallel([Task(who)] * 2, 2, True, context=[user]))
print(execute_tasks_in_parallel([Task(who)] * 2, 2, True))
"""
    assert run_script(source, tmp_path) == (
        "['somebody', 'somebody']\n['nobody', 'nobody']\n"
    )


def test_a_value_that_cannot_be_sent_is_an_error_of_the_call() -> None:
    """It names the variable and the way out."""

    def call() -> None:
        tenant.set(threading.Lock())  # type: ignore[arg-type]
        with pytest.raises(TaskNotPicklableError, match="the value of 'tenant' is a"):
            execute_tasks_in_parallel([], use_processes=True, context=[tenant])

    copy_context().run(call)


@pytest.mark.parametrize("wrong", [tenant, ["tenant"], "tenant", 3])
def test_what_is_no_list_of_variables_is_an_error_of_the_call(wrong: Any) -> None:
    """It says what would do."""
    with pytest.raises(TypeError, match="context must"):
        execute_tasks_in_parallel([], use_processes=True, context=wrong)


def test_a_context_travels_with_time_limits_and_measures() -> None:
    """All ways to call a function in a worker see it."""

    def call() -> list[Any]:
        tenant.set("a")
        outcomes = iter_outcomes(
            [Task(seen)] * 3, 1, use_processes=True, context=[tenant], timeout=LONG_S
        )
        return [(each.unwrap(), each.cpu_seconds >= 0) for each in outcomes]

    assert copy_context().run(call) == [(("a", "en"), True)] * 3
