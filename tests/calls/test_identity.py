"""What is told apart by its identity is told apart after it is gone, too.

An object may be made where another one was before, and then has its ``id``. So each of
these tests makes and drops very many, within portions and between them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.durable.keys.task_key import Keys
from cotality.core.utils._process.machine.object_size import size_of
from cotality.core.utils._process.pickling import context_variables
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
    worker_state,
)
from tests.kit.helpers import add, echo

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

WAYS: dict[str, dict[str, Any]] = {
    "threads": {"max_workers": 2},
    "one thread": {"max_workers": 1},
    "inline": {"inline": True},
    "auto": {"max_workers": 2, "use_processes": "auto"},
    "processes": {"max_workers": 2, "use_processes": True},
}
MANY = 2000


@pytest.fixture(params=[*WAYS, "own executor"])
def way(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    if request.param in WAYS:
        yield WAYS[request.param]
        return
    with ThreadPoolExecutor(2) as executor:
        yield {"executor": executor}


class Thing:
    """What a worker makes: it holds what it was made of."""

    def __init__(self, made_of: object) -> None:
        self.made_of = made_of


def is_made_of(thing: Thing, first: object) -> bool:
    return isinstance(thing.made_of, list) and thing.made_of[0] == first


def shown(thing: Thing) -> str:
    return repr(thing.made_of)


# States of workers.


def own_states(count: int) -> Iterator[Task[bool]]:
    for number in range(count):
        yield Task.of(is_made_of, worker_state(Thing, [number]), number)


def test_each_task_gets_the_state_it_asks_for(way: dict[str, Any]) -> None:
    """Also when each asks for one of its own, by a mark that is soon gone."""
    assert execute_tasks_in_parallel(own_states(MANY), **way) == [True] * MANY


def test_each_task_of_a_stream_gets_the_state_it_asks_for(way: dict[str, Any]) -> None:
    """The tasks are dropped one by one as they are done."""
    stream = execute_tasks_in_parallel_streaming(own_states(MANY), **way)

    assert all(right for _, right in stream)


def test_each_call_gets_the_state_it_asks_for(way: dict[str, Any]) -> None:
    """A worker that lives on does not take the mark of one call for that of another."""
    for number in range(8):
        task = Task.of(is_made_of, worker_state(Thing, [number]), number)

        assert execute_tasks_in_parallel([task], **way) == [True]
        del task  # or the next mark would not be made in its place


@dataclass(frozen=True)
class Config:
    """Equal to one with an equal value, of whatever type."""

    value: object


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ALIKE: dict[str, list[object]] = {
    "numbers": [1, 1.0, True, Decimal("1"), Decimal("1.0")],
    "zeros": [0.0, -0.0, 0, False],
    "inside": [(1,), (True,), (1.0,), frozenset([1]), frozenset([True])],
    "fields": [Config(1), Config(True), Config((1,)), Config((1.0,))],
    "times": [NOON, NOON.astimezone(timezone(timedelta(hours=2)))],
}


@pytest.mark.parametrize("values", ALIKE.values(), ids=ALIKE)
def test_what_is_equal_need_not_be_the_same(
    values: list[object], way: dict[str, Any]
) -> None:
    """A state is made of the very value that its task names."""
    tasks = [Task.of(shown, worker_state(Thing, value)) for value in values]

    assert execute_tasks_in_parallel(tasks, **way) == [repr(value) for value in values]


@dataclass(frozen=True)
class Account:
    """Equal to another one of that name, and looks alike."""

    name: str
    password: str = field(compare=False, repr=False)


class Named:
    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self.password = password

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


class Locked(Named):
    """Cannot be pickled, which threads do not mind."""

    def __init__(self, name: str, password: str) -> None:
        super().__init__(name, password)
        self.lock = threading.Lock()


@pytest.mark.parametrize("kind", [Account, Named, Locked])
def test_what_no_comparison_sees_is_seen(
    kind: type[Account | Named], way: dict[str, Any]
) -> None:
    """Two accounts of one name are two, each with its own password."""
    if kind is Locked and way.get("use_processes"):
        pytest.skip("no task of processes can have it")
    passwords = [f"secret {number}" for number in range(4)]
    tasks = [
        Task.of(password_of, worker_state(Thing, kind("Ada", each)))
        for each in passwords
    ]

    assert execute_tasks_in_parallel(tasks, **way) == passwords


@pytest.mark.parametrize(
    "name_anew",
    [
        lambda: Account("Ada", "secret"),
        lambda: Config((1, "Ada")),
        lambda: Decimal("1.0"),
        lambda: Path("a", "b"),
    ],
)
def test_a_state_is_made_once_for_what_is_the_same_all_through(
    name_anew: Callable[[], object],
) -> None:
    """Also where each task names it anew."""
    made: list[object] = []

    def make(value: object) -> int:
        made.append(value)
        return len(made)

    tasks = [Task.of(abs, worker_state(make, name_anew())) for _ in range(5)]

    assert execute_tasks_in_parallel(tasks, inline=True) == [1] * 5


def password_of(thing: Thing) -> str:
    assert isinstance(thing.made_of, Account | Named)
    return thing.made_of.password


class Raises:
    def __hash__(self) -> int:
        raise RuntimeError("no hash today")


def test_an_argument_whose_hash_raises_is_one_that_cannot_be_told(
    way: dict[str, Any],
) -> None:
    """Its mark stands for itself."""
    tasks = [Task.of(type_made_of, worker_state(Thing, Raises())) for _ in range(3)]

    assert execute_tasks_in_parallel(tasks, **way) == ["Raises"] * 3


def type_made_of(thing: Thing) -> str:
    return type(thing.made_of).__name__


# What tasks call, and what they are given.


def own_functions(count: int) -> Iterator[Task[int]]:
    for number in range(count):
        yield Task(lambda number=number: number)


def test_each_task_calls_its_own_function(way: dict[str, Any]) -> None:
    """However many there were before it."""
    assert execute_tasks_in_parallel(own_functions(MANY), **way) == list(range(MANY))


def own_large_lists(count: int) -> Iterator[Task[int]]:
    for number in range(count):
        yield Task.of(first_of, [number] * 10_000)


def first_of(numbers: list[int]) -> int:
    return numbers[0]


def test_each_task_gets_its_own_large_argument(way: dict[str, Any]) -> None:
    """It travels beside the task, and is gone when the next one is made."""
    assert execute_tasks_in_parallel(own_large_lists(300), **way) == list(range(300))


def own_shared(count: int) -> Iterator[Task[int]]:
    for number in range(count):
        yield Task.of(first_of, share([number]))


def test_each_task_gets_what_was_shared_with_it(way: dict[str, Any]) -> None:
    """Of very many things that are shared with one task each."""
    assert execute_tasks_in_parallel(own_shared(MANY), **way) == list(range(MANY))


# What is known of them.


def test_each_function_has_a_key_of_its_own() -> None:
    """Also when it is made where another one was, with other values in it."""
    keys = Keys()

    found = {
        keys.of(Task(partial(add, number), {"b": 1}), number) for number in range(MANY)
    }

    assert len(found) == MANY


class MadeWhenAsked(list[object]):
    """A container whose items exist only while somebody looks at them."""

    def __iter__(self) -> Iterator[object]:
        return (bytes(1000) for _ in range(len(self)))


def test_what_is_made_when_asked_counts_each_time() -> None:
    """Such items may have the same id, one after the other."""
    assert size_of([MadeWhenAsked([None] * 10) for _ in range(10)]) > 10 * 10 * 1000


# Context variables that no module has.


def test_a_variable_has_one_number_whoever_asks_first() -> None:
    """Threads that pack it at the same time mean the same variable."""
    for _ in range(50):
        variable: ContextVar[int] = ContextVar("variable")
        together, found = threading.Barrier(4), list[Any]()

        def ask(
            variable: ContextVar[int] = variable,
            together: threading.Barrier = together,
            found: list[Any] = found,
        ) -> None:
            together.wait()
            found.append(context_variables.reduced(variable)[1][0])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(found)) == 1


def test_the_number_of_a_variable_is_no_other_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker may serve programs that have the same pid, each in its container."""
    variable: ContextVar[int] = ContextVar("variable", default=1)
    make, (number, *_) = context_variables.reduced(variable)
    assert make is context_variables.numbered
    monkeypatch.setattr(context_variables, "nameless", {})
    monkeypatch.setattr(context_variables, "numbers", {})  # as in the other program

    assert context_variables.reduced(variable)[1][0] != number


here: ContextVar[int] = ContextVar("here")


def test_a_variable_that_another_took_the_place_of_is_not_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A module that is loaded anew has new variables under the same names."""
    old = here
    assert context_variables.place_of(old) == (__name__, "here")
    monkeypatch.setitem(globals(), "here", ContextVar("here"))

    assert context_variables.place_of(old) is None
    assert context_variables.place_of(here) == (__name__, "here")


# Names of arguments.


def named_as_ours(function: str, number: int, self: int) -> tuple[str, int, int]:
    return function, number, self


def test_an_argument_may_be_called_like_one_of_ours(way: dict[str, Any]) -> None:
    """Whatever is done around a call: with a context, timed, with a state."""
    variable: ContextVar[int] = ContextVar("variable", default=1)
    variable.set(2)
    arguments = {"function": "mean", "number": 1, "self": 2}
    tasks = [
        Task(named_as_ours, arguments),
        Task(named_as_ours, arguments | {"self": worker_state(echo, 2)}),
    ]
    options = {"context": [variable]} if way.get("use_processes") is True else {}

    for ordered in (True, False):
        stream = execute_tasks_in_parallel_streaming(
            tasks, **way, **options, ordered=ordered
        )
        assert [value for _, value in stream] == [("mean", 1, 2)] * 2
