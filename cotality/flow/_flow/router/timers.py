"""When time is up: one heap for the deadlines of items, and one for the few alarms."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

from .item import OVER, Item

FEW = 1024  # deadlines of items that are over, before anybody minds


class Timers:
    """Both heaps. An item that is over stays in its heap until it is in the way."""

    def __init__(self) -> None:
        self.deadlines: list[tuple[float, int, Item]] = []
        self.alarms: list[tuple[float, int, Callable[[float], None]]] = []
        self.counter = count()
        self.over = 0  # items with a deadline that are over, at most

    def add(self, item: Item) -> None:
        """*item* has a deadline."""
        heapq.heappush(self.deadlines, (item.deadline, next(self.counter), item))

    def is_over(self) -> None:
        """One of the items with a deadline is over."""
        self.over += 1
        if self.over > FEW and 2 * self.over > len(self.deadlines):
            self.deadlines = [each for each in self.deadlines if each[2].state != OVER]
            heapq.heapify(self.deadlines)
            self.over = 0

    def at(self, when: float, alarm: Callable[[float], None]) -> None:
        """Have *alarm* called at *when*, with the time that it is then."""
        heapq.heappush(self.alarms, (when, next(self.counter), alarm))

    def next(self) -> float:
        """When something is due."""
        due = self.alarms[0][0] if self.alarms else math.inf
        deadlines = self.deadlines
        while deadlines and deadlines[0][2].state == OVER:
            heapq.heappop(deadlines)
            self.over -= 1
        return min(due, deadlines[0][0]) if deadlines else due

    def expired(self, now: float) -> list[Item]:
        """The items whose time is up, each once."""
        items: list[Item] = []
        deadlines = self.deadlines
        while deadlines and deadlines[0][0] <= now:
            item = heapq.heappop(deadlines)[2]
            if item.state == OVER:
                self.over -= 1
            else:
                items.append(item)
        return items

    def ring(self, now: float) -> None:
        """Call the alarms that are due."""
        while self.alarms and self.alarms[0][0] <= now:
            heapq.heappop(self.alarms)[2](now)
