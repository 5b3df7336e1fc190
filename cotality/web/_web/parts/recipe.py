"""What is done for each item of a task."""

from __future__ import annotations

import random
from dataclasses import dataclass

SHORTEST_LOOKUP_S, LONGEST_LOOKUP_S = 0.001, 0.010


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done for each item; the same index always comes to the same value.

    Attributes:
        database: The URL of the database that is asked.
        redis_url: The URL of the cache; None for one in the process.
        db_delay_s: Seconds that each query takes in addition.
        lookup_delay_s: Likewise each look-up; None for 1 to 10 ms, by the index.
    """

    database: str
    redis_url: str | None = None
    db_delay_s: float = 0.0
    lookup_delay_s: float | None = 0.0

    def lookup_delay(self, index: int) -> float:
        """Seconds that the look-up of this item takes in addition."""
        if self.lookup_delay_s is not None:
            return self.lookup_delay_s
        draw = random.Random(index).random()
        return SHORTEST_LOOKUP_S + draw * (LONGEST_LOOKUP_S - SHORTEST_LOOKUP_S)

    @property
    def usual_lookup_delay(self) -> float:
        """The mean of that."""
        if self.lookup_delay_s is not None:
            return self.lookup_delay_s
        return (SHORTEST_LOOKUP_S + LONGEST_LOOKUP_S) / 2

    @property
    def delay(self) -> float:
        """Seconds that an item waits for delays, in the mean."""
        return self.db_delay_s + self.usual_lookup_delay
