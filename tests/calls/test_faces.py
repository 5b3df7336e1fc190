"""Every message of every call names only what that call has."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils import process
from cotality.core.utils.process import (
    DeadLetters,
    RunReport,
    Task,
    TaskTimeoutError,
    execute_tasks_in_parallel,
    replay,
)
from cotality.tuning import (
    DeadLetterQueue,
    PoolManager,
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
)
from cotality.tuning._tuning.work import faces
from tests.kit.helpers import echo

pytestmark = pytest.mark.one_python

CORE = [
    getattr(process, f"{name}{twin}")
    for name in (
        "execute_tasks_in_parallel",
        "execute_tasks_in_parallel_unordered",
        "execute_tasks_in_parallel_streaming",
        "iter_outcomes",
    )
    for twin in ("", "_async")
] + [process.process_in_batches]
TUNING = [
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
    PoolManager.execute,
    PoolManager.execute_async,
]
MAPS = [process.pmap, process.pmap_iter, process.pmap_async]
REPLAYS = [replay, DeadLetterQueue.retry]
FACES: dict[str, Callable[..., Any]] = {
    f"{each.__module__.rpartition('.')[2]}.{each.__qualname__}": each
    for each in (*CORE, process.run_tasks, *MAPS, *TUNING, *REPLAYS)
}
# What is given by position.
UNNAMED = {"self", "tasks", "func", "data", "path", "function", "items", "more"}


def names_of(face: Callable[..., Any]) -> set[str]:
    """All that *face* takes by keyword, as its signature says."""
    return set(inspect.signature(face).parameters) - UNNAMED


ALL = set().union(*map(names_of, FACES.values()))


def mentioned(message: str) -> set[str]:
    """The names of parameters in *message*; some of them are words of English, too."""
    found: set[str] = set()
    for name in ALL:
        pattern = rf"\b{name}=|'{name}'|`{name}`|\b{name} must|^{name} "
        if "_" in name:
            pattern = rf"\b{name}\b"
        if re.search(pattern, message):
            found.add(name)
    return found


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Gives the message that a wrong use of a face gets; empty if it got none."""
    monkeypatch.chdir(tmp_path)  # where "strange" may be a file
    letters = tmp_path / "failed.jsonl"
    queue = DeadLetterQueue(letters)
    queue.add(echo, 1, ValueError("x"))
    with ExitStack() as stack:
        manager = PoolManager(1)
        stack.callback(manager.shutdown)

        def first(face: Any) -> tuple[Any, ...]:
            if face is replay:
                return (letters,)
            if face is DeadLetterQueue.retry:
                return (queue,)
            if face in (PoolManager.execute, PoolManager.execute_async):
                return manager, echo, [1, 2]
            of_tasks = face in CORE or face is process.run_tasks
            return ([Task(echo, {"value": 1})],) if of_tasks else (echo, [1, 2])

        def message(face: Any, *, arguments: Any = None, **options: Any) -> str:
            given = first(face) if arguments is None else arguments
            if face is optimize:  # else it may know the work, and run nothing
                options = {"fresh": True, **options}
            try:
                finish(face(*given, **options))
            except (TypeError, ValueError, OverflowError) as error:
                return str(error)
            return ""

        yield message


def finish(answer: object) -> None:
    """Take what a call gave to its end."""
    if isinstance(answer, Generator):
        list(answer)
    elif isinstance(answer, Coroutine):
        asyncio.run(answer)
    elif isinstance(answer, AsyncGenerator):

        async def read() -> None:
            async for _ in answer:
                pass

        asyncio.run(read())


class Strange:
    """Of no type that any parameter has."""

    def __repr__(self) -> str:
        return "<a strange thing>"


def check(face: Callable[..., Any], message: str) -> None:
    foreign = mentioned(message) - names_of(face)
    assert not foreign, f"{message!r} names {sorted(foreign)}"


@pytest.mark.parametrize("name", FACES)
def test_a_wrong_value_is_told_in_the_words_of_the_call(
    name: str, call: Callable[..., str]
) -> None:
    """Each parameter with what it cannot be: each message names what is wrong."""
    face = FACES[name]
    for parameter in sorted(names_of(face)):
        for value in (Strange(), "strange", -1, 0, ()):
            if face in REPLAYS and parameter == "keys":
                continue  # which ones there are is another matter
            check(face, call(face, **{parameter: value}))
        assert call(face, **{parameter: Strange()}), f"{parameter} takes anything"


@pytest.mark.parametrize("name", FACES)
def test_a_name_that_is_nearly_right_is_recognised(
    name: str, call: Callable[..., str]
) -> None:
    """Among all that the call has, and the list of those is complete."""
    face = FACES[name]
    for parameter in sorted(names_of(face)):
        misspelt = f"{parameter}x"
        message = call(face, **{misspelt: 1})
        assert f"there is no option {misspelt!r}." in message
        assert f"Did you mean {parameter!r}?" in message
        listed = message.partition("The options are: ")[2].rstrip(".").split(", ")
        assert set(listed) == names_of(face)
        assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", FACES)
def test_what_another_call_has_is_no_option(
    name: str, call: Callable[..., str]
) -> None:
    """And what is offered instead is what this one has."""
    face = FACES[name]
    for parameter in sorted(ALL - names_of(face) - {"dead_letters"}):
        message = call(face, **{parameter: 1})
        assert f"there is no option {parameter!r}." in message
        check(face, message.replace(f"{parameter!r}", "", 1))


WRONG_TOGETHER: list[dict[str, Any]] = [
    {"initargs": (1,)},
    {"timeout": 1.0, "executor": "threads"},
    {"timeout": 1.0},
    {"max_tasks_per_worker": 1, "executor": "threads"},
    {"max_tasks_per_worker": 1},
    {"resume": True},
    {"retry_failed": True},
    {"max_failures": 1, "on_error": "raise"},
    {"on_error": "group", "return_exceptions": True},
    {"executor": "threads", "use_processes": True},
    {"executor": "fibers"},
    {"executor": "sequential"},
    {"executor": ThreadPoolExecutor},
    {"initializer": echo, "executor": "OTHERS"},
    {"timeout": 1.0, "executor": "OTHERS"},
    {"executor": "OTHERS", "use_processes": True},
    {"initializer": echo},
]


@pytest.mark.parametrize("name", FACES)
def test_what_does_not_go_together_is_told_in_the_words_of_the_call(
    name: str, call: Callable[..., str]
) -> None:
    """As far as the call has those."""
    face = FACES[name]
    with ThreadPoolExecutor(1) as others:
        for options in WRONG_TOGETHER:
            if not options.keys() <= names_of(face):
                continue
            given = {
                name: others if value == "OTHERS" else value
                for name, value in options.items()
            }
            if options == {"initializer": echo}:
                given["initializer"] = "echo"
            check(face, call(face, **given))


@pytest.mark.parametrize("name", [name for name in FACES if FACES[name] in CORE])
def test_tasks_that_are_none_are_told_in_the_words_of_the_call(
    name: str, call: Callable[..., str]
) -> None:
    """Whatever is given for them."""
    face = FACES[name]
    batches = {"batch_size": 1} if "batch_size" in names_of(face) else {}
    for tasks in (Strange(), [Strange()], Task(echo, {"value": 1}), 5):
        message = call(face, arguments=(tasks,), **batches)
        assert "Task" in message
        check(face, message)


@pytest.mark.parametrize(
    "name",
    [name for name in FACES if FACES[name] in (*TUNING, *MAPS) and "Pool" not in name],
)
def test_work_that_is_none_is_told_in_the_words_of_the_call(
    name: str, call: Callable[..., str]
) -> None:
    """Neither tasks nor Task are words of these."""
    face = FACES[name]

    async def items() -> AsyncGenerator[int, None]:
        yield 1

    async def coroutine(item: int) -> int:
        return item

    batches = {"batch_size": 1} if "batch_size" in names_of(face) else {}
    for arguments in (
        (Strange(), [1]),
        (echo, Strange()),
        (echo, 5),
        (echo, items()),
        (coroutine, [1]),
    ):
        message = call(face, arguments=arguments, **batches)
        assert message
        assert "Task" not in message.replace("TaskGroup", "")
        assert "tasks" not in message
        check(face, message)


def test_a_limit_of_time_on_threads_says_how_to_have_it() -> None:
    """In both vocabularies."""
    with pytest.raises(ValueError, match='Add executor="processes", or leave timeout'):
        execute(echo, [1], timeout=1, executor="threads")
    with pytest.raises(ValueError, match="Add use_processes=True, or leave timeout"):
        execute_tasks_in_parallel([Task(echo, {"value": 1})], timeout=1)


def test_the_parameters_that_are_known_are_those_of_the_functions() -> None:
    """What a message lists is what a signature has."""
    managers = (PoolManager.execute, PoolManager.execute_async)
    for name, parameters in faces.PARAMETERS.items():
        for function in managers if name == "manager" else [globals()[name]]:
            own = inspect.signature(function, follow_wrapped=False)
            given = own.parameters.values()
            named = {each.name for each in given if each.kind is each.KEYWORD_ONLY}
            assert set(parameters) == named


# The two words for where tasks run.

WORDS = [("threads", False), ("processes", True), ("auto", "auto")]


@pytest.mark.parametrize(("word", "use_processes"), WORDS)
def test_an_executor_may_be_named_in_the_core(word: Any, use_processes: Any) -> None:
    """It means the same as `use_processes`, which may say so as well."""
    for more in ({}, {"use_processes": use_processes}):
        named, said = RunReport(), RunReport()
        tasks = [Task(echo, {"value": number}) for number in range(3)]

        assert execute_tasks_in_parallel(
            tasks, 2, executor=word, report=named, **more
        ) == [0, 1, 2]
        execute_tasks_in_parallel(tasks, 2, use_processes, report=said)

        assert (named.kind, named.workers) == (said.kind, said.workers)


def test_an_executor_that_is_named_keeps_limits_of_time() -> None:
    """As worker processes of ours do."""
    import time

    slow = [Task(time.sleep, positional=(60,))]
    (error,) = execute_tasks_in_parallel(
        slow, executor="processes", timeout=0.1, on_error="return"
    )
    assert isinstance(error, TaskTimeoutError)


def test_two_words_that_contradict_one_another_are_refused() -> None:
    """Nothing runs, and the message names both."""
    tasks = [Task(echo, {"value": 1})]
    with pytest.raises(ValueError, match="'threads' and use_processes=True contradict"):
        execute_tasks_in_parallel(tasks, use_processes=True, executor="threads")
    with pytest.raises(ValueError, match=r"got 'sequential'\. Write inline=True"):
        execute_tasks_in_parallel(tasks, executor="sequential")  # type: ignore[arg-type]  # to be refused


def test_wrong_values_are_told_where_nothing_has_to_run() -> None:
    """By `optimize`, which has seen such work before."""
    data = list(range(5))
    optimize(echo, data)
    with pytest.raises(TypeError, match="context must be a list of ContextVar"):
        optimize(echo, data, context=5)  # type: ignore[arg-type]  # to be refused


def test_letters_can_be_kept_by_a_call_and_not_by_a_replay(tmp_path: Path) -> None:
    """There the file is given, and None is as nothing."""
    letters = DeadLetters(tmp_path / "x")
    assert replay(letters, dead_letters=None) == []
    with pytest.raises(ValueError, match="no dead_letters="):
        replay(letters, dead_letters=letters)
