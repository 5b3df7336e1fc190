"""What a run has shown besides its tasks, to tell causes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality._kit.public import pickled_as
from cotality._kit.records import dataclass, field

if TYPE_CHECKING:
    from cotality.core.utils._process.engine.brakes import Told
    from cotality.core.utils._process.tasks.outcome import Packing
    from cotality.core.utils._process.tasks.times import Clues

    from .ran_portion import Ran

# Who wants to go on gets the interpreter's lock at once if it is free. If a thread
# computes it has to ask for it, and is given it after the switch interval (5 ms).
LATE = 0.0025  # s
# What a task waits for outside is seen in portions that waited for a CPU for less than
# this part of that.
CLEAR = 0.2
# Portions that have imported something, and packages, of which more is remembered.
MOST_NOTED = 256


@pickled_as("RunSeen")
@dataclass(slots=True)
class Seen:
    """Sums of what the workers and the driving thread have noticed.

    Attributes:
        portions: How many came back with clues.
        unknown: How many came back without.
        queued: For how long (s) threads of workers wanted a CPU in portions.
        unqueued: How many portions could not say that.
        arrivals: How many portions came back from threads.
        lock_wait: For how long (s) the driving thread could not go on after that, for
            another reason than that it had no CPU.
        driver_queued: For how long (s) the driving thread wanted a CPU.
        packing: Seconds of this process, functions included.
        unpacking: Likewise, for results.
        functions: The seconds of *packing* that went into functions.
        function_bytes: What they take.
        function: The name of the largest one.
        functions_packed: How many they are.
        largest_function: Its bytes.
        loading: Seconds of workers, to load functions and what they need of a script.
        starts: How many worker processes had to be started while tasks waited for them.
        started: For how long (s) these tasks waited, all together.
        set_up: The seconds of that in initializers.
        modules: How many modules were imported in portions.
        packages: Some of their packages.
        first_runs: The longest task of each portion that imported something, in s.
        import_overhead: Seconds of such portions that were not in tasks.
        least_blocked: The least time (s) that a task of a thread took, on average over
            a portion, besides what it computed: its wait for something outside. Below 0
            if that is not known.
        ready: When each of the workers was that are counted in *starts*.
        refused: The tasks that a brake had fail, by its place.
        brakes: What each of them says of itself.
    """

    portions: int = 0
    unknown: int = 0
    queued: float = 0.0
    unqueued: int = 0
    arrivals: int = 0
    lock_wait: float = 0.0
    driver_queued: float = 0.0
    packing: float = 0.0
    unpacking: float = 0.0
    functions: float = 0.0
    function_bytes: int = 0
    function: str = ""
    functions_packed: int = 0
    largest_function: int = 0
    loading: float = 0.0
    starts: int = 0
    started: float = 0.0
    set_up: float = 0.0
    modules: int = 0
    packages: dict[str, int] = field(default_factory=dict[str, int])
    first_runs: list[float] = field(default_factory=list[float])
    import_overhead: float = 0.0
    least_blocked: float = -1.0
    ready: set[float] = field(default_factory=set[float])
    refused: dict[int, int] = field(default_factory=dict[int, int])
    brakes: dict[int, Told] = field(default_factory=dict[int, "Told"])

    def packed(self, packing: Packing) -> None:
        self.packing += packing.seconds
        self.functions += packing.function_seconds
        self.function_bytes += packing.function_bytes
        self.functions_packed += packing.functions
        if packing.function_bytes > self.largest_function:
            self.largest_function = packing.function_bytes
            self.function = packing.function

    def came_after(self, seconds: float) -> None:
        """Note how long the driving thread waited for the interpreter's lock."""
        self.arrivals += 1
        if seconds > LATE:
            self.lock_wait += seconds

    def learn(self, clues: Clues, ran: Ran, handed_out: float) -> float:
        """What a worker says of a portion; for how long that waited for its start.

        Args:
            handed_out: The portion, by perf_counter.
        """
        self.portions += 1
        if clues.in_thread:
            self.see_blocked(clues.queued, ran)
        if clues.queued is None:
            self.unqueued += 1
        else:
            self.queued += clues.queued
        self.loading += clues.loading
        if clues.modules and clues.packages:
            self.imported(clues, ran)
        if clues.ready_at <= handed_out or clues.ready_at in self.ready:
            return 0.0
        self.ready.add(clues.ready_at)
        # It was wanted before this portion was there, or nobody would have started it.
        waited = clues.ready_at - min(handed_out, clues.born_at or handed_out)
        self.starts += 1
        self.started += waited
        self.set_up += min(waited, clues.set_up)
        return waited

    def see_blocked(self, queued: float | None, ran: Ran) -> None:
        blocked = max(0.0, ran.busy - ran.cpu)
        if queued is None or queued > CLEAR * blocked:
            return  # it also waited for a CPU, perhaps before its tasks or after them
        each = (blocked - queued) / len(ran.seconds)
        is_first = self.least_blocked < 0.0
        self.least_blocked = each if is_first else min(each, self.least_blocked)

    def imported(self, clues: Clues, ran: Ran) -> None:
        self.modules += clues.modules
        self.import_overhead += ran.overhead
        for name in clues.packages:
            if name in self.packages or len(self.packages) < MOST_NOTED:
                self.packages[name] = self.packages.get(name, 0) + 1
        if len(self.first_runs) < MOST_NOTED:
            self.first_runs.append(max(ran.seconds))
