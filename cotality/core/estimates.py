"""How tasks behave, and where they should run.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* Measured: `Figures` of some tasks; a `Sample`, which `sample_of` takes from the first
  ones and `BUSY_PROGRAMS` can spoil; of a run that is over, its `loop_seconds` and its
  `cpu_share`.
* Reckoned from that: the `better_place` of each `Place`, and the size of a portion:
  `portion_for`. `MANY` stands for a number of tasks that nobody knows.
* What it takes to start processes now: `start_of_processes`; at best, `WARM_START`.
* Whether a function may have changed: the `names_in` its code.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.advice.first_tasks import Sample, sample_of
    from .utils._process.auto.auto_backend import WARM_START, start_of_processes
    from .utils._process.report.yardstick import cpu_share, loop_seconds
    from .utils._process.rules.where_to_run import (
        BUSY_PROGRAMS,
        MANY,
        Figures,
        Place,
        better_place,
        portion_for,
    )
    from .utils._process.scripts.inner_codes import names_in

__all__ = [
    "BUSY_PROGRAMS",
    "MANY",
    "WARM_START",
    "Figures",
    "Place",
    "Sample",
    "better_place",
    "cpu_share",
    "loop_seconds",
    "names_in",
    "portion_for",
    "sample_of",
    "start_of_processes",
]

# In which room of the core each of them is.
LATER = {
    "BUSY_PROGRAMS": "rules.where_to_run",
    "Figures": "rules.where_to_run",
    "MANY": "rules.where_to_run",
    "Place": "rules.where_to_run",
    "Sample": "advice.first_tasks",
    "WARM_START": "auto.auto_backend",
    "better_place": "rules.where_to_run",
    "cpu_share": "report.yardstick",
    "loop_seconds": "report.yardstick",
    "names_in": "scripts.inner_codes",
    "portion_for": "rules.where_to_run",
    "sample_of": "advice.first_tasks",
    "start_of_processes": "auto.auto_backend",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
