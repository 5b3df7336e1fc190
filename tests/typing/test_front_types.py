"""The types of the one front door. Both checkers read this, and the tests run it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import assert_type

from cotality import Task, parallel, pmap, pmap_async, pmap_iter, run_tasks


def shout(text: str) -> str:
    return text.upper()


def repeat(text: str, times: int) -> str:
    return text * times


def between(low: int, value: float, high: int) -> bool:
    return low <= value <= high


def four(a: int, b: int, c: int, d: int) -> int:
    return a + b + c + d


def maybe() -> bool:
    return len(shout("a")) > 1


def test_one_to_three_iterables_carry_their_types() -> None:
    """The function says what it takes and what the list holds."""
    assert_type(pmap(shout, ["a"]), list[str])
    assert_type(pmap(repeat, ["a"], [2]), list[str])
    assert_type(pmap(between, [1], [1.5], [2]), list[bool])
    assert_type(pmap(shout, ["a", "bc"], workers=2, processes=False), list[str])
    assert_type(pmap(four, [1], [2], [3], [4]), list[int])
    assert pmap(repeat, ["a"], [2]) == ["aa"]


def test_failures_in_place_are_in_the_type() -> None:
    """As far as it is known what becomes of them."""
    assert_type(pmap(shout, ["a"], on_error="return"), list[str | Exception])
    assert_type(pmap(repeat, ["a"], [2], on_error="group"), list[str])
    assert_type(
        pmap(shout, ["a"], on_error="return" if maybe() else "raise"),
        list[str] | list[str | Exception],
    )


def test_what_is_unpacked_may_be_anything() -> None:
    """Only the result has a type."""
    assert_type(pmap(repeat, [("a", 2)], unpack=True), list[str])
    assert_type(
        pmap(repeat, [("a", 2)], unpack=True, on_error="return"),
        list[str | Exception],
    )


def test_streams_and_event_loops_carry_the_same_types() -> None:
    """Each in its own wrapping."""
    assert_type(pmap_iter(shout, ["a"]), Generator[str, None, None])
    assert_type(
        pmap_iter(repeat, ["a"], [2], on_error="return", ordered=False),
        Generator[str | Exception, None, None],
    )

    async def main() -> None:
        assert_type(await pmap_async(shout, ["a"]), list[str])
        assert_type(
            await pmap_async(shout, ["a"], on_error="return"), list[str | Exception]
        )

    asyncio.run(main())


def test_tasks_carry_theirs() -> None:
    """As in the calls of old."""
    tasks = [Task.of(shout, "a")]

    assert_type(run_tasks(tasks), list[str])
    assert_type(run_tasks(tasks, on_error="return"), list[str | Exception])


@parallel
def plain(value: int, scale: float = 1.0) -> float:
    """Decorated without brackets."""
    return value * scale


@parallel(processes=False, retries=2)
def with_options(text: str) -> int:
    """Decorated with options."""
    return len(text)


def test_a_decorated_function_is_called_as_before() -> None:
    """And `map` knows what it takes."""
    assert_type(plain(2, scale=3.0), float)
    assert_type(with_options("a"), int)
    assert_type(with_options.map(["a"]), list[int])
    assert_type(with_options.map(["a"], on_error="return"), list[int | Exception])
    assert_type(with_options.map_iter(["a"]), Generator[int, None, None])
    assert_type(with_options.task("a"), Task[int])
    assert_type(plain.map([1, 2]), list[float])
    assert_type(plain.map([1, 2], [0.5, 1.5]), list[float])
    assert plain.map([1, 2], [0.5, 1.5]) == [0.5, 3.0]


def wrong_uses() -> None:
    """Not run: each of these has to stay an error of both checkers."""
    pmap(shout, [1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pmap(shout, ["a"], ["b"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pmap(repeat, ["a"], ["b"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    pmap(shout, ["a"], desc="x")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    pmap(shout, ["a"], rate="fast")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    with_options.task(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
