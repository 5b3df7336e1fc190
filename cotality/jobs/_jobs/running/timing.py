"""A worker counts how long jobs waited and ran, until it writes that down."""

from __future__ import annotations

import threading

from cotality.jobs._jobs.stats.histogram import place_of
from cotality.jobs._jobs.store.times import Kind, Place, Sum


class Timing:
    """What was counted since it was written down last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sums: dict[Place, Sum] = {}

    def note(self, name: str, kind: Kind, seconds: float) -> None:
        """Note how long something took."""
        place = Place(name, kind, place_of(seconds))
        with self.lock:
            self.add(place, Sum(1, seconds))

    def add(self, place: Place, more: Sum) -> None:
        many, seconds = self.sums.get(place, Sum(0, 0.0))
        self.sums[place] = Sum(many + more.many, seconds + more.seconds)

    def taken(self) -> dict[Place, Sum]:
        """All of it, which is counted anew from here on."""
        with self.lock:
            sums, self.sums = self.sums, {}
            return sums

    def put_back(self, sums: dict[Place, Sum]) -> None:
        """It could not be written down."""
        with self.lock:
            for place, each in sums.items():
                self.add(place, each)
