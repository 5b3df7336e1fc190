"""A queue with much to do is looked at more often.

DBOS takes jobs when it looks for them, and never in between: with four slots and four
looks in a second no more than 16 jobs come in a second, however short they are. To
look often all the time costs CPU for nothing. So a worker whose places were empty for
want of a look has all workers look more often, for as long as that is so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Every look costs about a millisecond of a CPU.
QUICK_S = 0.03
# A queue is busy if this share of what fits between two looks has come. It is busy no
# longer after this many quiet rounds.
BUSY, QUIET_ROUNDS = 0.5, 5


@dataclass
class Queue:
    """What is known of one queue."""

    ended: int = 0
    is_quick: bool = False
    quiet: int = 0


class Pace:
    """Decides how often to look; told what has ended in each queue by now."""

    def __init__(
        self, poll_s: float, slots: Mapping[str, int] | None, each: int
    ) -> None:
        self.poll_s, self.slots, self.each = poll_s, slots or {}, each
        self.queues: dict[str, Queue] = {}

    def after(self, seconds: float, ended: Mapping[str, int]) -> dict[str, float]:
        """Which queues to look at in another rhythm, *seconds* after the last call."""
        changes: dict[str, float] = {}
        for name, count in ended.items():
            queue = self.queues.setdefault(name, Queue())
            came, queue.ended = count - queue.ended, count
            most = self.slots.get(name, self.each) * seconds / self.poll_s
            queue.quiet = 0 if came > BUSY * most else queue.quiet + 1
            if not queue.quiet and not queue.is_quick and self.poll_s > QUICK_S:
                queue.is_quick, changes[name] = True, QUICK_S
            elif queue.is_quick and queue.quiet >= QUIET_ROUNDS:
                queue.is_quick, changes[name] = False, self.poll_s
        return changes

    def back(self) -> dict[str, float]:
        """What to undo at the end."""
        quick = [name for name, queue in self.queues.items() if queue.is_quick]
        return dict.fromkeys(quick, self.poll_s)
