"""The types of `cotality.tuning` that callers get to see."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import assert_type

from cotality.core.utils.process import RunReport
from cotality.tuning import (
    CircuitBreaker,
    ExecutionResult,
    Plan,
    Rate,
    Validation,
    execute,
    execute_async,
    optimize,
    optimize_streaming,
    process_in_batches,
    validate_optimization,
)


def length(text: str) -> int:
    return len(text)


def power(base: int, exponent: int = 2) -> float:
    return float(base**exponent)


WORDS = ["a", "b"]
PAIRS = [(1, 2), (3, 4)]


def test_results_have_the_type_of_the_function() -> None:
    """With what the options make of it."""
    breaker = CircuitBreaker(5, reset_after=30.0)

    assert_type(execute(length, WORDS), list[int])
    assert_type(execute(length, iter(WORDS), n_jobs=-1, chunksize=10), list[int])
    assert_type(execute(length, WORDS, verbose=True), ExecutionResult[int])
    assert_type(execute(length, WORDS, return_exceptions=True), list[int | Exception])
    assert_type(execute(length, WORDS, on_error="return"), list[int | Exception])
    assert_type(execute(length, WORDS, on_error="group"), list[int])
    assert_type(
        execute(length, WORDS, retries=3, rate=Rate(50), circuit_breaker=breaker),
        list[int],
    )
    assert_type(breaker.call(length, "a"), int)


def test_items_may_be_unpacked() -> None:
    """Then they are arguments of any function."""
    assert_type(execute(power, PAIRS, unpack=True), list[float])
    assert_type(
        execute(power, PAIRS, unpack=True, verbose=True), ExecutionResult[float]
    )
    assert_type(
        execute(power, PAIRS, unpack=True, on_error="return"), list[float | Exception]
    )


def test_a_verbose_run_has_all_of_it() -> None:
    """Typed as well."""
    run = execute(length, WORDS, verbose=True)

    assert_type(run.results, list[int])
    assert_type(run[0], int)
    assert_type([each for each in run], list[int])  # noqa: C416  # what a loop gives
    results: Sequence[int] = run
    assert_type(len(results), int)
    assert_type(run.report, RunReport)
    assert_type(run.plan, Plan)
    assert_type(run.estimated_speedup, float)
    assert_type(
        execute(length, WORDS, verbose=True, on_error="return"),
        ExecutionResult[int | Exception],
    )
    assert_type(
        execute(power, PAIRS, unpack=True, verbose=True, return_exceptions=True),
        ExecutionResult[float | Exception],
    )
    is_verbose = bool(WORDS)
    assert_type(
        execute(length, WORDS, verbose=is_verbose), list[int] | list[int | Exception]
    )


def test_plans_streams_and_batches(tmp_path: Path) -> None:
    """What they give, and what takes them."""
    plan = optimize(length, WORDS)
    assert_type(plan, Plan)
    plan.save(tmp_path / "plan.json")
    assert_type(Plan.load(tmp_path / "plan.json"), Plan)
    assert_type(execute(length, WORDS, plan=plan), list[int])
    assert_type(optimize_streaming(length, WORDS), Generator[int, None, None])
    assert_type(
        optimize_streaming(length, WORDS, on_error="return"),
        Generator[int | Exception, None, None],
    )
    assert_type(
        process_in_batches(length, WORDS, batch_size=5),
        Generator[list[int], None, None],
    )
    assert_type(validate_optimization(length, WORDS), Validation)


def test_coroutines() -> None:
    """The same to be awaited."""

    async def main() -> None:
        assert_type(await execute_async(length, WORDS), list[int])
        assert_type(
            await execute_async(length, WORDS, on_error="return"),
            list[int | Exception],
        )
        assert_type(
            await execute_async(length, WORDS, verbose=True), ExecutionResult[int]
        )
        assert_type(
            await execute_async(length, WORDS, verbose=True, on_error="return"),
            ExecutionResult[int | Exception],
        )

    asyncio.run(main())


def wrong_uses() -> None:
    """Each has to be reported; none of this is run."""
    execute(length, [1, 2])  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # items of another type
    execute("length", WORDS)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no function
    execute(length, WORDS, retires=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # no such option
    execute(length, WORDS, executor="fibers")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no such place
