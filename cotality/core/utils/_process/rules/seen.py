"""How the time of tasks was spent: computing, waiting, or held up."""

from __future__ import annotations

from cotality._kit.public import pickled_as
from cotality._kit.records import NamedTuple, dataclass

# A task that has used less of its time on a CPU than this did not want the lock often
# enough to wait for it all the rest of its time.
HARDLY = 0.1


class Seen(NamedTuple):
    """What became of the time in which a worker ran tasks.

    Attributes:
        seconds: All of it, by the clock on the wall.
        cpu: What it had a CPU for.
        queued: What it wanted a CPU for and had none.
        others: How long it can have waited for the interpreter's lock: what other
            threads of this program may have had it for.
    """

    tasks: int
    seconds: float
    cpu: float
    queued: float = 0.0
    others: float = 0.0

    @property
    def wait(self) -> float:
        """What is left: seconds that it waited for something outside.

        Other threads can only have kept the lock from one that wanted it: from one that
        waits for the most part they took nothing.
        """
        rest = self.rest
        least = max(0.0, rest - self.others)
        return rest if least > self.cpu or self.hardly_computes else least

    @property
    def rest(self) -> float:
        """Seconds that it waited for anything but a CPU."""
        return max(0.0, self.seconds - self.cpu - self.queued)

    @property
    def hardly_computes(self) -> bool:
        return self.cpu < HARDLY * (self.cpu + self.rest)

    @property
    def is_by_itself(self) -> bool:
        """Whether others can have kept the lock from it for less than half of that."""
        return self.rest < self.cpu or self.others < self.rest / 2

    @property
    def is_clear(self) -> bool:
        """Whether it hardly matters if it waited for the lock all the time it could."""
        return self.hardly_computes or self.is_by_itself


@pickled_as("RanAlone")
@dataclass(slots=True)
class Alone:
    """What tasks took that ran alone, one after the other: the yardstick.

    It stays what it was when they run in a crowd, where each takes longer.
    """

    tasks: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    wait: float = 0.0

    def saw(self, seen: Seen) -> None:
        self.tasks += seen.tasks
        self.seconds += seen.seconds
        self.cpu += seen.cpu
        self.wait += seen.wait

    @property
    def each(self) -> float:
        """Seconds that one took, whatever else disturbed it; 0 if none was seen."""
        return self.seconds / self.tasks if self.tasks else 0.0

    @property
    def undisturbed(self) -> float:
        """Seconds that one takes where there is nothing else."""
        return (self.cpu + self.wait) / self.tasks if self.tasks else 0.0
