"""Which calls the same workers serve at a time.

A worker keeps for each call what it loads only once: functions, and arguments that are
marked with `share`. When calls take turns on the worker, it has to know which of them
are over.
"""

from __future__ import annotations

import itertools
import weakref

from cotality._kit.records import NamedTuple

MOST_BESIDE = 32  # calls that a worker keeps things of, but for the one it works for


class Beside(NamedTuple):
    """The calls that use the same workers as one, when a portion of it was packed.

    Attributes:
        names: The names of the calls that were not over, except for the call itself.
        number: The number of the call, counting from the first.
        latest: The number of the latest call that was known. Nothing is known of later
            ones.
    """

    names: tuple[str, ...] = ()
    number: int = 0
    latest: int = 0


ALONE = Beside()


class User(NamedTuple):
    """A call: its number, and a reference to an object that lives as long as it."""

    number: int
    reference: weakref.ref[object]


class Users:
    """The calls that use a pool. From any thread; each step is one of a dictionary."""

    numbers: itertools.count[int]
    latest: int

    def __init__(self) -> None:
        self.calls: dict[str, User] = {}
        self.numbers = itertools.count(1)
        self.latest = 0

    def beside(self, call: str, user: object) -> Beside:
        """Those beside *call*, which is one of them as long as *user* is there."""
        calls = self.calls
        if call not in calls:
            # Who is struck on the way out is collected some time.
            reference = weakref.ref(user, lambda _: calls.pop(call, None))
            calls[call] = one = User(next(self.numbers), reference)
            self.latest = max(self.latest, one.number)
        latest = self.latest  # first: of those that come from here on nobody knows
        numbers = {name: each.number for name, each in list(calls.items())}
        others = [name for name in numbers if name != call][-MOST_BESIDE:]
        return Beside(tuple(others), numbers.get(call, 0), latest)

    def leave(self, call: str) -> None:
        """*call* is over."""
        self.calls.pop(call, None)
