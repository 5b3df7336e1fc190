"""An exception strikes an item that runs in the thread of the caller."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from cotality.core.utils._process.portions.local_chunk import LocalChunk
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
)
from cotality.tuning import execute
from tests.kit.helpers import Gate
from tests.kit.striking import KINDS, LateError, Strike, handlers

ITEMS = range(3)
Run = Callable[[Callable[[int], object]], object]


def as_list(work: Callable[[int], object]) -> object:
    return execute_tasks_in_parallel(tasks_of(work), use_processes="auto")


def as_stream(work: Callable[[int], object]) -> object:
    tasks = tasks_of(work)
    return list(execute_tasks_in_parallel_streaming(tasks, use_processes="auto"))


def by_execute(work: Callable[[int], object]) -> object:
    return execute(work, ITEMS)


def tasks_of(work: Callable[[int], object]) -> list[Task[object]]:
    return [Task(work, positional=(item,)) for item in ITEMS]


@pytest.mark.parametrize("run", [as_list, as_stream, by_execute])
@pytest.mark.parametrize("round_", range(5))
def test_what_a_ctrl_c_has_ended_is_not_begun_again(
    gate: Gate, run: Run, round_: int
) -> None:
    """The deputy, who looks after the call then, does not take it for not begun."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that others run between any two steps
    begun, lock, caller = Counter[int](), threading.Lock(), threading.get_ident()

    def work(item: int) -> None:
        with lock:
            begun[item] += 1
        if item == 0 and threading.get_ident() == caller:
            gate.wait()
            signal.raise_signal(signal.SIGINT)
        elif item == ITEMS[-1]:
            gate.open()  # so the deputy has begun with the others

    try:
        # On a busy machine it may come to pass that another thread gets item 0.
        with contextlib.suppress(KeyboardInterrupt):
            run(work)
    finally:
        sys.setswitchinterval(usual)

    # What nobody had begun yet is dropped.
    assert set(begun.values()) == {1}


@pytest.mark.parametrize("error", KINDS)
@pytest.mark.parametrize("options", [{"use_processes": "auto"}, {"inline": True}])
def test_no_result_moves_to_another_place(
    options: Any, error: type[BaseException]
) -> None:
    """What strikes between two items is raised, or is the failure of one of them."""
    tasks = [Task(abs, positional=(-item,)) for item in ITEMS]
    for count in itertools.count(1):
        try:
            with handlers(), Strike(count, error, is_loop_over_items) as strike:
                results = execute_tasks_in_parallel(
                    tasks, return_exceptions=True, **options
                )
        except error:
            continue
        right = [each == item for item, each in zip(ITEMS, results, strict=True)]
        failed = [isinstance(each, LateError) for each in results]
        assert [a or b for a, b in zip(right, failed, strict=True)] == [True] * 3
        assert sum(failed) == bool(strike.place)
        if not strike.place:
            return  # it has not come to that: all instructions were struck


def is_loop_over_items(code: CodeType) -> bool:
    return code is LocalChunk.run_some.__code__
