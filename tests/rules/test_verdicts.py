"""What test frameworks raise in a task reaches them as it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis.errors import StopTest

from cotality.core.utils._process.pickling.class_at import located
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskExitedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
)
from cotality.tuning import execute
from tests.kit.helpers import echo, fail_with

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

PLACES: list[dict[str, Any]] = [
    {"use_processes": False},
    {"use_processes": True},
    {"use_processes": "auto"},
    {"inline": True},
]
VERDICTS: dict[str, tuple[Callable[[], object], type[BaseException]]] = {
    "skip": (lambda: pytest.skip("not here"), pytest.skip.Exception),
    "fail": (lambda: pytest.fail("not so", pytrace=False), pytest.fail.Exception),
    "xfail": (lambda: pytest.xfail("not yet"), pytest.xfail.Exception),
    "exit": (lambda: pytest.exit("not any more", 3), pytest.exit.Exception),
    "hypothesis": (lambda: fail_with(StopTest(3)), StopTest),
}


@pytest.fixture(params=PLACES, ids=lambda place: str(next(iter(place.values()))))
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.mark.parametrize("name", VERDICTS)
def test_a_call_ends_with_it(name: str, place: dict[str, Any]) -> None:
    """The same class, with what it says and which task it was."""
    verdict, kind = VERDICTS[name]

    with pytest.raises(kind) as caught:
        execute_tasks_in_parallel([Task(verdict)], 1, **place)

    assert type(caught.value) is kind
    assert caught.value.__notes__ == [f"Raised by task 0: {verdict.__qualname__}()"]
    if name == "fail":
        assert vars(caught.value)["pytrace"] is False


def skip(*_: object) -> None:
    pytest.skip("not here")


def in_a_stream(place: dict[str, Any]) -> None:
    for _ in execute_tasks_in_parallel_streaming([Task(skip)], 1, **place):
        pass


def in_an_event_loop(place: dict[str, Any]) -> None:
    asyncio.run(execute_tasks_in_parallel_async([Task(skip)], 1, **place))


def in_an_executor(place: dict[str, Any]) -> None:
    with IsolatedProcessPoolExecutor(1) as executor:
        executor.submit(skip).result()


def with_a_head_start(place: dict[str, Any]) -> None:
    execute(skip, [1, 2, 3])


def in_a_plain_loop(place: dict[str, Any]) -> None:
    execute(skip, [1, 2, 3], executor="sequential")


@pytest.mark.parametrize("call", [in_a_stream, in_an_event_loop])
def test_other_calls_end_with_it_too(
    call: Callable[[dict[str, Any]], None], place: dict[str, Any]
) -> None:
    """Whichever way its results would have come."""
    with pytest.raises(pytest.skip.Exception, match="not here"):
        call(place)


@pytest.mark.parametrize("call", [in_an_executor, with_a_head_start, in_a_plain_loop])
def test_whatever_runs_the_function_passes_it_on(
    call: Callable[[dict[str, Any]], None],
) -> None:
    """There is no task that somebody has made."""
    with pytest.raises(pytest.skip.Exception, match="not here"):
        call({})


def test_it_is_a_failure_where_failures_are_wanted(place: dict[str, Any]) -> None:
    """Others may have failed as well; the cause is the verdict."""
    tasks = [Task(skip), Task.of(echo, 1)]

    failure, value = execute_tasks_in_parallel(tasks, 1, on_error="return", **place)

    assert value == 1
    assert isinstance(failure, TaskExitedError)
    assert type(failure.__cause__) is pytest.skip.Exception
    with pytest.raises(ExceptionGroup) as caught:
        execute_tasks_in_parallel(tasks, 1, on_error="group", **place)
    assert isinstance(caught.value.exceptions[0], TaskExitedError)


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("x")])
def test_what_nobody_waits_for_is_the_task_s_failure(
    error: BaseException, place: dict[str, Any]
) -> None:
    """A library that calls `sys.exit` ends neither the caller nor a worker."""
    with pytest.raises(TaskExitedError) as caught:
        execute_tasks_in_parallel([Task.of(fail_with, error)], 1, **place)

    assert type(caught.value.__cause__) is type(error)


class Lies(Exception):  # noqa: N818  # what it does
    """Says that it is built in."""


Lies.__module__ = "builtins"


def test_an_exception_that_says_it_is_from_elsewhere_is_itself() -> None:
    """Its class is not copied."""
    with pytest.raises(Lies) as caught:
        execute_tasks_in_parallel([Task.of(fail_with, Lies("x"))], 1, True)

    assert type(caught.value) is Lies


class LoadedLater(ModuleType):
    """Stands for a module that is loaded when somebody looks into it."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"somebody asked for {name}")


@pytest.fixture
def later() -> Iterator[None]:
    sys.modules["cotality_later"] = LoadedLater("cotality_later")
    yield
    del sys.modules["cotality_later"]


@pytest.mark.usefixtures("later")
def test_a_class_that_is_nowhere_is_left_as_it_is() -> None:
    """Nothing is loaded by looking for it."""
    nowhere = type("Nowhere", (Exception,), {"__module__": "builtins"})

    assert located(nowhere) is nowhere
    assert located(ValueError) is ValueError
