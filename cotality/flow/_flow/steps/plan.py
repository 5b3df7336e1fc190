"""A flow as plain data: all that the router and the workers are told.

What the user has written travels packed, and is unpacked in the workers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import encode, output_rules, path_of_unpicklable
from cotality.core.utils.process import TaskNotPicklableError

from .routes import Routes, are_plain, rules_of
from .step import Step
from .work import Work

QUEUE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step, for the router.

    Attributes:
        work: A packed `Work`, for its workers.
    """

    name: str
    workers: int
    batch_size: int
    batch_wait: float
    timeout: float | None
    work: bytes


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A flow, for the router.

    Attributes:
        queue_bytes: How many bytes items may have together while they wait, and large
            ones until they are over.
        levels: How many priorities there are.
        age_after: After each period of this many seconds an item moves up by one.
        entry: Packed `Routes` for clients; empty if all begin with the first step.
        rules: Of what workers log, see `cotality.core.hosting`.
    """

    steps: tuple[StepPlan, ...]
    queue_size: int
    queue_bytes: int
    levels: int
    age_after: float
    entry: bytes
    rules: bytes


def plan_of(
    steps: Sequence[Step[Any, Any]],  # Any: steps of any type
    queue_size: int,
    levels: int,
    age_after: float,
    queue_bytes: int = QUEUE_BYTES,
) -> FlowPlan:
    """All of it packed.

    Raises:
        TaskNotPicklableError: A handler or a condition cannot be sent to a process.
    """
    rules = rules_of(steps)
    plans: list[StepPlan] = []
    for position, step in enumerate(steps):
        routes = Routes(rules[position + 1 :], position + 1)
        work = Work(
            step.handler, step.takes, step.name, step.batch_size, step.isolate, routes
        )
        plans.append(
            StepPlan(
                step.name,
                step.workers,
                step.batch_size,
                step.batch_wait,
                step.timeout,
                packed(work, f"step {step.name!r}"),
            )
        )
    entry = b"" if are_plain(rules) else packed(Routes(rules, 0), "a condition")
    return FlowPlan(
        steps=tuple(plans),
        queue_size=queue_size,
        queue_bytes=queue_bytes,
        levels=levels,
        age_after=age_after,
        entry=entry,
        rules=output_rules(),
    )


def packed(thing: object, what: str) -> bytes:
    try:
        return encode(thing)
    except Exception as error:
        if is_of_a_signal(error):
            raise
        root = thing.handler if isinstance(thing, Work) else thing
        name = "handler" if isinstance(thing, Work) else "routes"
        raise TaskNotPicklableError(
            f"{what} cannot be sent to its workers: "
            f"{path_of_unpicklable(root, name)}. Give the step the class of the "
            f"handler, or a function that makes one: then each worker makes its own."
        ) from error
