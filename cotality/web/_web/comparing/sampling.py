"""A comparison: all methods on the same items, in rounds, within a budget of time.

In each round every method does as many items as its part of the budget allows, always
from the first one on. Each round begins with another method, so that other work of the
machine does not always hit the same one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from cotality.web._web.methods.order import Done, Order
from cotality.web._web.models.kinds import METHODS, TaskType
from cotality.web._web.parts.recipe import Recipe

from .figures import Figures
from .judging import Measured, Sample, expected
from .reckoning import costs_of, items_within

# How often, and with how many items each time, the present speed of a CPU is measured.
LOOKS, AT_A_LOOK = 5, 10
LEAST_ROUNDS, MOST_ROUNDS = 2, 5
ROUNDS = 4  # for which the budget is divided; others may turn out to fit
FIRST = 0.25  # of a share, for the first samples
MEASUREMENTS = ROUNDS * len(METHODS)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a method has done, and what that took, in seconds."""

    seconds: float
    done: Sequence[Done]


# Does an order by its method.
Run: TypeAlias = Callable[[Order], Awaitable[Ran]]
# Is told the round and the method that begins, and how many measurements are over.
Tell: TypeAlias = Callable[[int, TaskType, int], Awaitable[None]]


@dataclass(slots=True)
class Sampling:
    """Measures all methods on *order* within *budget_s* seconds, about."""

    order: Order
    figures: Figures
    budget_s: float
    runs: Mapping[TaskType, Run]
    tell: Tell
    found: dict[TaskType, Measured] = field(
        default_factory=lambda: {method: Measured() for method in METHODS}
    )
    rounds: int = 0

    async def measure(self) -> None:
        """Do rounds as long as the next one fits, and at least two if any fits."""
        start = time.monotonic()
        await self.look_around()
        for number in range(MOST_ROUNDS):
            begun = time.monotonic()
            await self.round(number)
            self.rounds += 1
            now = time.monotonic()
            left = self.budget_s - (now - start)
            is_enough = self.rounds >= LEAST_ROUNDS
            if left < (now - begun) * (1.0 if is_enough else 0.5):
                return

    async def look_around(self) -> None:
        """Know how quick a CPU is now, with whatever else the machine does.

        It was measured before at its best, and a comparison is about the methods.
        """
        few = min(AT_A_LOOK, self.order.total)
        order = replace(self.order, recipe=self.quick, total=few)
        run = self.runs[TaskType.SEQUENTIAL]
        await run(order)  # which may have to start a process, and to connect
        seconds = statistics.median([(await run(order)).seconds for _ in range(LOOKS)])
        costs = costs_of(self.figures, order)
        others = costs.compute_s + costs.wait_s - self.figures.cpu_s
        cpu_s = seconds / few - others
        if cpu_s > 0:
            self.figures = replace(self.figures, cpu_s=cpu_s)

    async def round(self, number: int) -> None:
        shift = number % len(METHODS)
        for place, method in enumerate([*METHODS[shift:], *METHODS[:shift]]):
            await self.tell(number, method, number * len(METHODS) + place)
            measured, run = self.found[method], self.runs[method]
            measured.overheads.append(await self.overhead(method, run))
            measured.samples.append(await self.sample(method, run))

    async def overhead(self, method: TaskType, run: Run) -> Sample:
        """A run of a few items, which do not wait."""
        few = min(self.order.workers, self.order.total)
        return await self.ran(
            method, run, replace(self.order, recipe=self.quick, total=few)
        )

    @property
    def quick(self) -> Recipe:
        return replace(self.order.recipe, db_delay_s=0.0, lookup_delay_s=0.0)

    async def ran(self, method: TaskType, run: Run, order: Order) -> Sample:
        ran = await run(order)
        reckoned_s = expected(method, self.figures, order)
        return Sample(order.total, ran.seconds, reckoned_s, ran.done)

    async def sample(self, method: TaskType, run: Run) -> Sample:
        measured = self.found[method]
        share = self.budget_s / MEASUREMENTS
        if measured.samples:
            figures = replace(self.figures, paces={method: measured.pace})
        else:
            # What else the machine does is not known yet: this is to find out.
            figures, share = self.figures, share * FIRST
        many = items_within(method, figures, self.order, share)
        return await self.ran(method, run, replace(self.order, total=many))

    @property
    def checked(self) -> int:
        """How many items all methods have done; each of them in its last sample."""
        return min(each.samples[-1].items for each in self.found.values())
