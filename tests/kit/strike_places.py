"""Where a call is struck, and with what.

A call runs 1,000 to 170,000 instructions of ours in the calling thread, which are 900
to 12,000 different ones, for most of them lie in loops. To strike each of them each
time would take days, and show little: what was struck at an instruction differs from
time to time only in the values, of which the first and the last time have the most
unlike ones (nothing is there yet, all is done). So each different instruction of a
call is struck at the first time, at the last time, and at one between that is drawn by
lot, with another of the three kinds each. Calls of other kinds come by the same places:
before all that, each place is struck in one of them (the turn ``once``). Left out are
those that come behind one that changes nothing but the stack of its frame
(`Instructions.like_last`): an exception drops that stack, so it finds the same state.
"""

from __future__ import annotations

import os
import random
import zlib
from collections import Counter
from typing import NamedTuple

from tests.kit.striking import KINDS, OURS, Place, Strike, instructions_of

ERRORS = list(KINDS)
TIMES = ("first", "last", "between")
TURNS = ("once", *TIMES)


class Aim(NamedTuple):
    """One strike.

    Attributes:
        name: Of the place, which is the same in each run of the program.
        place: Which instruction.
        at: The how many-th time that it is come to, from 1.
        error: With what.
    """

    name: str
    place: Place
    at: int
    error: type[BaseException]

    def __str__(self) -> str:
        return f"{self.name}#{self.at}={self.error.__name__}"


class Places:
    """The different instructions of a call.

    Args:
        watched: What was counted while the call was made, some times.
    """

    def __init__(self, watched: list[Strike]) -> None:
        self.count = max(each.count for each in watched)
        self.times = times_of([each.times for each in watched])
        self.named = named([each for each in self.times if shows_something(each)])

    def turn(self, turn: str, kind: int = 0) -> list[Aim]:
        """Each place at that time, in an order that is by lot and always the same."""
        aims = [self.aim(name, turn, kind) for name in self.named]
        return sorted(aims, key=lambda aim: (lot(aim.name), aim.name))

    def aim(self, name: str, turn: str, kind: int) -> Aim:
        place = self.named[name]
        number = TIMES.index(turn) if turn in TIMES else 0
        error = ERRORS[(lot(name) + number + kind) % len(ERRORS)]
        return Aim(name, place, self.time_of(name, turn), error)

    def time_of(self, name: str, turn: str) -> int:
        times = self.times[self.named[name]]
        if turn == "between":
            return random.Random(name).randint(1, times)
        return times if turn == "last" else 1

    def some(self, count: int, seed: int, kind: int = 0) -> list[Aim]:
        """Some by lot, with the three kinds and the three turns one after the other."""
        rng = random.Random(seed)
        names = rng.sample(sorted(self.named), min(count, len(self.named)))
        return [
            Aim(
                name,
                self.named[name],
                self.time_of(name, TIMES[i // len(ERRORS) % len(TIMES)]),
                ERRORS[(i + kind) % len(ERRORS)],
            )
            for i, name in enumerate(names)
        ]

    def read(self, text: str) -> Aim:
        """The opposite of ``str`` of an aim."""
        start, _, error = text.rpartition("=")
        name, _, at = start.rpartition("#")
        kinds = {each.__name__: each for each in ERRORS}
        return Aim(name, self.named[name], int(at), kinds[error])


def times_of(counted: list[Counter[Place]]) -> dict[Place, int]:
    """How often a call comes by, of those that it came by more often than once.

    Other threads run as well, so that each call is a little different; and one that
    meets a busy machine may go another way, on which no other call comes.
    """
    often = Counter(place for each in counted for place in each)
    return {
        place: min(each[place] for each in counted if place in each)
        for place, calls in often.items()
        if calls > 1
    }


def shows_something(place: Place) -> bool:
    return place.offset not in instructions_of(place.code).like_last


def lot(name: str) -> int:
    return zlib.crc32(name.encode())


def named(places: list[Place]) -> dict[str, Place]:
    """By their names; functions without one may stand in one line."""
    found: dict[str, Place] = {}
    seen: Counter[str] = Counter()
    for place in places:
        code, offset = place
        file = os.path.relpath(code.co_filename, OURS)
        name = f"{file}:{code.co_firstlineno}:{code.co_qualname}+{offset}"
        seen[name] += 1
        found[f"{name}'{seen[name]}" if seen[name] > 1 else name] = place
    return found
