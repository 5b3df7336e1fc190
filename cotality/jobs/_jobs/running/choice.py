"""Where the bodies of a job run: as it says, or as its first runs have shown."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cotality.jobs._jobs.api.definition import Definition

from .body import Answer

Place: TypeAlias = Literal["processes", "threads", "loop"]

# How "auto" decides: after this many runs in processes, a job that has used less than
# this share of a CPU mostly waits, which it can do on a thread.
RUNS_SEEN = 3
MOST_OF_A_CPU = 0.1


@dataclass
class Seen:
    """The runs of one function in processes."""

    runs: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    has_crashed: bool = False


class Choice:
    """What a worker knows of where its jobs should run."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.lock = threading.Lock()

    def place_of(self, job: Definition) -> Place:
        runs_on = job.options.runs_on
        if runs_on is None:
            return "loop" if inspect.iscoroutinefunction(job.function) else "processes"
        if inspect.iscoroutinefunction(job.function) and runs_on != "processes":
            return "loop"
        if runs_on == "auto":
            return "threads" if self.waits(job) else "processes"
        return runs_on

    def waits(self, job: Definition) -> bool:
        seen = self.seen.get(job.name, Seen())
        if job.options.timeout is not None or seen.has_crashed:
            return False  # only a process can be killed, or crash alone
        if seen.runs < RUNS_SEEN:
            return False
        return seen.cpu_s < MOST_OF_A_CPU * seen.wall_s

    def note(self, job: Definition, answer: Answer | None) -> None:
        """What a run in a process came to; None for a crash."""
        if job.options.runs_on != "auto":
            return
        with self.lock:
            seen = self.seen.setdefault(job.name, Seen())
            if answer is None:
                seen.has_crashed = True
                return
            seen.runs += 1
            seen.cpu_s += answer.cpu_s
            seen.wall_s += answer.wall_s
