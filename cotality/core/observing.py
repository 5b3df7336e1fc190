"""Observers, which see a call run, and brakes, which may hold it up.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* A `Brake` keeps tasks from starting, and is `Told` about in reports; an `Observer`
  sees what happens, from the `Start` on.
* What they see: a `Portion` of tasks that is handed out, the `ChunkReport` that comes
  back, the tasks that have `Settled`; how much of each task to `Measure`.
* Which failures count: `Classes` of exceptions, or a `Predicate`.
* A report in a few words: `place_of` says where it ran, `tasks_of` what came of its
  tasks.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.engine.brakes import Brake, Told
    from .utils._process.engine.observers import Observer, Start
    from .utils._process.portions.chunk import ChunkReport
    from .utils._process.report.shown.as_text import place_of, tasks_of
    from .utils._process.rules.retry import Classes, Predicate
    from .utils._process.tasks.outcome import Portion, Settled
    from .utils._process.tasks.times import Measure

__all__ = [
    "Brake",
    "ChunkReport",
    "Classes",
    "Measure",
    "Observer",
    "Portion",
    "Predicate",
    "Settled",
    "Start",
    "Told",
    "place_of",
    "tasks_of",
]

# In which room of the core each of them is.
LATER = {
    "Brake": "engine.brakes",
    "ChunkReport": "portions.chunk",
    "Classes": "rules.retry",
    "Measure": "tasks.times",
    "Observer": "engine.observers",
    "Portion": "tasks.outcome",
    "Predicate": "rules.retry",
    "Settled": "tasks.outcome",
    "Start": "engine.observers",
    "Told": "engine.brakes",
    "place_of": "report.shown.as_text",
    "tasks_of": "report.shown.as_text",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
