"""Exceptions of unusual classes are raised as they are, whichever way they go."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Journal,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_async,
    execute_tasks_in_parallel_streaming,
    worker_pool,
)
from cotality.tuning import PoolManager, execute, managed_pool, optimize_streaming
from tests.kit.helpers import Failure, run_script
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm


class EmptyError(Exception):
    """False, as an empty list is."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.found: list[str] = []

    def __len__(self) -> int:
        return len(self.found)


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int


class WrappedError(Exception):
    """Says itself what is behind it."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]  # that is the point
        return KeyError("behind")

    @property
    def __context__(self) -> BaseException:  # type: ignore[override]  # as above
        return KeyError("before")


class RefusingError(Exception):
    """Tells nothing, takes nothing, and is like nothing."""

    __hash__ = None  # type: ignore[assignment]  # that is the point

    @property
    def __notes__(self) -> list[str]:
        raise RuntimeError("no notes")

    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError(f"no {name}")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")


KINDS = [EmptyError, FrozenError, WrappedError, RefusingError]
kinds = pytest.mark.parametrize("kind", KINDS)


def check(number: int, kind: type[Exception]) -> int:
    if number == 3:
        raise kind(number)
    return number


def checks(kind: type[Exception], count: int = 6) -> list[Task[int]]:
    return [Task.of(check, number, kind) for number in range(count)]


def streamed(stream: Iterator[Any]) -> list[Any]:
    return list(stream)


WAYS: dict[str, Callable[[type[Exception], bool], object]] = {
    "list": lambda kind, up: execute_tasks_in_parallel(checks(kind), 2, up),
    "stream": lambda kind, up: streamed(
        execute_tasks_in_parallel_streaming(checks(kind), 2, up)
    ),
    "async": lambda kind, up: asyncio.run(
        execute_tasks_in_parallel_async(checks(kind), 2, up)
    ),
    "retries": lambda kind, up: execute_tasks_in_parallel(
        checks(kind), 2, up, retries=2
    ),
    "execute": lambda kind, up: execute(
        lambda n: check(n, kind),
        range(6),
        executor="processes" if up else "threads",
    ),
    "optimize_streaming": lambda kind, up: streamed(
        optimize_streaming(
            lambda n: check(n, kind),
            range(6),
            executor="processes" if up else "threads",
        )
    ),
}


@pytest.mark.one_python
@kinds
@pytest.mark.parametrize("way", WAYS)
def test_it_ends_the_call(way: str, kind: type[Exception], use_processes: bool) -> None:
    """As it would end a loop; nothing is returned as if it were a result."""
    with pytest.raises(kind) as raised:
        WAYS[way](kind, use_processes)

    assert type(raised.value) is kind
    assert raised.value.args == (3,)


@kinds
def test_others_keep_their_results(kind: type[Exception], use_processes: bool) -> None:
    """It is in the place of its own task alone."""
    results = execute_tasks_in_parallel(checks(kind), 2, use_processes, True)

    assert [*results[:3], *results[4:]] == [0, 1, 2, 4, 5]
    assert type(results[3]) is kind


class SilentError(Exception):
    """Answers nothing, also not of which class it is."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(f"no {name}")


def test_one_that_answers_nothing_is_one_failure(use_processes: bool) -> None:
    """Neither it, nor an argument like it, costs others their results."""
    tasks = [*checks(SilentError), Task.of(handled, SilentError("of mine"), 3)]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, True)

    assert [*results[:3], *results[4:6]] == [0, 1, 2, 4, 5]
    assert type(results[3]) is SilentError
    assert use_processes or type(results[6]) is ZeroDivisionError


def handled(first: object, second: object) -> object:
    return 1 / 0


@kinds
def test_a_future_raises_it(kind: type[Exception]) -> None:
    """That of our executor, waited for in whatever way."""

    async def awaited(executor: IsolatedProcessPoolExecutor) -> int:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, check, 3, kind)

    with IsolatedProcessPoolExecutor(1) as executor:
        future = executor.submit(check, 3, kind)
        with pytest.raises(kind):
            future.result(LONG_S)
        assert type(future.exception()) is kind
        found: list[int] = []
        with pytest.raises(kind):
            found.extend(executor.map(check, range(6), [kind] * 6))
        assert found == [0, 1, 2]
        with pytest.raises(kind):
            asyncio.run(awaited(executor))
        assert executor.submit(list[int].clear, []).result() is None


@kinds
def test_it_goes_through_a_with_of_ours(kind: type[Exception]) -> None:
    """Of a pool and of a manager, which have no say in what is raised."""
    manager = PoolManager(1)
    try:
        with pytest.raises(kind):
            manager.execute(lambda n: check(n, kind), [3])
        with pytest.raises(kind), manager.workers():
            check(3, kind)
    finally:
        manager.shutdown()
    with pytest.raises(kind), worker_pool(max_workers=1):
        execute_tasks_in_parallel(checks(kind), 1, True)
    with pytest.raises(kind), managed_pool(1):
        check(3, kind)


@kinds
@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_it_comes_back_from_a_journal(
    tmp_path: Path, kind: type[Exception], use_processes: bool, on_error: Any
) -> None:
    """As the same class, with all it has."""
    journal = Journal(tmp_path / "run.jsonl")

    def outcome() -> Exception:
        try:
            results: list[Any] = execute_tasks_in_parallel(
                checks(kind)[3:4],
                1,
                use_processes,
                on_error=on_error,
                journal=journal,
                resume=True,
            )
        except Exception as error:
            return error
        found: Exception = results[0]
        return found

    first, second = outcome(), outcome()

    assert type(first) is type(second) is kind
    assert first.args == second.args == (3,)
    assert vars(first).keys() >= vars(second).keys() - {"__notes__"}


# What ended the input, when tasks have failed as well


def fail_at_1(number: int) -> int:
    if number == 1:
        raise Failure("one")
    return number


def broken() -> Iterator[Task[int]]:
    for number in range(3):
        yield Task.of(fail_at_1, number)
    raise OSError("the disk is gone")


def wrong() -> Iterator[Any]:
    yield from (Task.of(fail_at_1, number) for number in range(3))
    yield "no task"


@pytest.mark.parametrize(
    ("tasks", "kind"), [(broken, OSError), (wrong, TypeError)], ids=["raises", "wrong"]
)
def test_a_group_holds_what_ended_the_input(
    tasks: Callable[[], Iterator[Any]], kind: type[Exception], use_processes: bool
) -> None:
    """As its last member: nobody takes the failures for all there was."""
    with pytest.raises(ExceptionGroup, match="1 of 3 tasks failed") as raised:
        execute_tasks_in_parallel(tasks(), 2, use_processes, on_error="group")

    failure, ended_by = raised.value.exceptions
    assert isinstance(failure, Failure)
    assert isinstance(ended_by, kind)
    assert kind.__name__ in raised.value.message


def test_a_group_holds_what_was_wrong_with_the_journal(tmp_path: Path) -> None:
    """A task that came twice ends the input, which is not to be missed."""
    tasks = [Task.of(fail_at_1, number) for number in (0, 1, 2, 2, 3)]
    journal = Journal(tmp_path / "run.jsonl")

    with pytest.raises(ExceptionGroup) as raised:
        execute_tasks_in_parallel(tasks, 1, on_error="group", journal=journal)

    names = [type(each).__name__ for each in raised.value.exceptions]
    assert names == ["Failure", "TaskKeyError"]


DEEP = """
import io, sys
from cotality.core.utils.process import *

# Nothing can be called so deep, also no method that lets go of something, and Python
# tells of that.
sys.stderr = io.StringIO()

def square(n): return n * n

def call_at(depth):
    if depth:
        return call_at(depth - 1)
    return execute_tasks_in_parallel([Task.of(square, n) for n in range(10)], **OPTIONS)

wanted = [n * n for n in range(10)]
limit = sys.getrecursionlimit()
found = set()
for depth in range(limit - 100, limit):
    try:
        found.add(call_at(depth) == wanted)
    except (RecursionError, TaskNotPicklableError):
        found.add(None)
print(sorted(found, key=str), call_at(0) == wanted)
"""


@pytest.mark.parametrize(
    "options",
    [{}, {"inline": True}, {"use_processes": True}, {"use_processes": "auto"}],
    ids=["threads", "inline", "processes", "auto"],
)
def test_a_caller_near_the_limit_of_recursion(
    options: dict[str, object], tmp_path: Path
) -> None:
    """Right results or an error at each depth, and no call that never ends."""
    source = DEEP.replace("OPTIONS", repr({"max_workers": 2, **options}))
    if "inline" in options:
        source = source.replace("'max_workers': 2, ", "")

    assert run_script(source, tmp_path) == "[None, True] True\n"
