"""The items that wait for a step: larger priorities first, then the earlier one.

An item that has waited for a while counts as one of the next priority, so none waits
for ever behind a stream of more urgent ones.
"""

from __future__ import annotations

from collections import deque

from .item import OVER, Item

# Items that are over stay in the line until they come to the front, or until there are
# this many of them.
MOST_OVER = 256


class Line:
    """The items that wait for one step.

    Attributes:
        waiting: How many they are.
        weight: What they count as together.
    """

    def __init__(self, levels: int, age_after: float) -> None:
        self.levels: list[deque[Item]] = [deque() for _ in range(levels)]
        self.age_after = age_after
        self.waiting = 0
        self.weight = 0
        self.over = 0

    def add(self, item: Item) -> None:
        self.levels[item.level].append(item)
        self.waiting += 1
        self.weight += item.weight

    def add_first(self, item: Item) -> None:
        """Let *item* be the next one of its priority again."""
        self.levels[item.level].appendleft(item)
        self.waiting += 1
        self.weight += item.weight

    def drop(self, item: Item) -> None:
        """*item* is over, and no longer counts."""
        self.waiting -= 1
        self.weight -= item.weight
        self.over += 1
        if self.over > MOST_OVER + self.waiting:
            self.clean()

    def clean(self) -> None:
        for level, items in enumerate(self.levels):
            self.levels[level] = deque(item for item in items if item.state != OVER)
        self.over = 0

    def first(self, now: float) -> Item | None:
        """Whose turn it is; None if nobody waits."""
        if not self.waiting:
            return None
        if len(self.levels) == 1:
            return self.head(self.levels[0])
        best: Item | None = None
        best_rank = -1
        for level in reversed(range(len(self.levels))):
            item = self.head(self.levels[level])
            if item is not None:
                rank = level + int((now - item.arrived) / self.age_after)
                if rank > best_rank:
                    best, best_rank = item, rank
        return best

    def head(self, items: deque[Item]) -> Item | None:
        while items:
            if items[0].state != OVER:
                return items[0]
            items.popleft()
            self.over -= 1
        return None

    def take(self, item: Item) -> None:
        """Take out *item*, which :meth:`first` has just given."""
        self.levels[item.level].popleft()
        self.waiting -= 1
        self.weight -= item.weight

    def all_waiting(self) -> list[Item]:
        return [item for items in self.levels for item in items if item.state != OVER]
