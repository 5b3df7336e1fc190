"""A smaller program with which something is still wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .program import Call, Program, with_tasks
from .running import House, run

TRIES = 3  # what is wrong may need some luck
MOST_RUNS = 150


def shrunk(
    program: Program, complaints: list[str], house: House
) -> tuple[Program, list[str]]:
    """*program* without what does not matter for *complaints*, and those of it."""
    left = MOST_RUNS
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for other in smaller(program):
            if left <= 0:
                return program, complaints
            for _ in range(TRIES):
                left -= 1
                found = run(other, house)
                if found:
                    program, complaints, is_smaller = other, found, True
                    break
            if is_smaller:
                break
    return program, complaints


def smaller(program: Program) -> Iterator[Program]:
    """Programs that have less than *program*, those with the least first."""
    steps = program.steps
    if len(steps) > 1:
        yield from (replace(program, steps=(step,)) for step in steps)
        for place in range(len(steps)):
            yield replace(program, steps=steps[:place] + steps[place + 1 :])
    for place, step in enumerate(steps):
        for other in smaller_step(step):
            changed = (*steps[:place], other, *steps[place + 1 :])
            yield replace(program, steps=changed)


def smaller_step(step: tuple[Call, ...]) -> Iterator[tuple[Call, ...]]:
    if len(step) > 1:
        yield from ((call,) for call in step)
    for place, call in enumerate(step):
        for other in smaller_call(call):
            yield (*step[:place], other, *step[place + 1 :])


def smaller_call(call: Call) -> Iterator[Call]:
    tasks = call.tasks
    size = len(tasks) // 2
    while size:
        for begin in range(0, len(tasks), size):
            yield changed(
                call, **with_tasks(call, tasks[:begin] + tasks[begin + size :])
            )
        size //= 2
    for name in call.limits:
        if name != "batch_size":
            limits = {n: v for n, v in call.limits.items() if n != name}
            yield changed(call, limits=limits)
    if call.context:
        yield changed(call, context=False)
    if call.attempts > 1:
        yield changed(call, attempts=1, retries_crashes=False)
    if call.fails_at is not None:
        yield changed(call, fails_at=None)
    if call.source != "list" and call.fails_at is None:
        yield changed(call, source="list")
    if call.leave_after is not None:
        yield changed(call, leave_after=None)
    if call.max_failures is not None:
        yield changed(call, max_failures=None)


def changed(call: Call, **changes: object) -> Call:
    return replace(call, **changes)  # type: ignore[arg-type]  # of any of its fields
