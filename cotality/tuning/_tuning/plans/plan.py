"""How some work should be run, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cotality._kit.public import public_in

from .plan_fields import PlanFields

if TYPE_CHECKING:
    import os


@public_in("cotality.tuning")
@dataclass(frozen=True, repr=False)
class Plan(PlanFields):
    """How to run some work, and what to expect.

    ``print(plan)`` says it in words. ``execute(func, data, plan=plan)`` runs the work
    that way; an argument or an environment variable can override each field.

    Attributes:
        executor: ``"sequential"``, ``"threads"`` or ``"processes"``.
        n_jobs: How many items run at a time.
        chunksize: How many items travel together.
        estimated_speedup: How many times faster than a loop the work should be, or was
            if it has been run; never more than *n_jobs*. It includes the start of
            worker processes if they are not running yet.
        reason: Why, in a few words.
        profile: What was measured.
        total: How many items the plan is for; None if that was not known: then it is
            for a thousand.
        expected_seconds: How long the items should take with each executor; infinity
            where they cannot run.
        cpus: How many CPUs there were.
        speedup_range: After a run, the smaller and the larger estimate of the speed-up;
            *estimated_speedup* is the likelier of the two. None for a plan that
            `optimize` has made, or if it is not known.
    """

    def __str__(self) -> str:
        from .plan_text import in_words

        return in_words(self)

    def __repr__(self) -> str:
        """In one line; ``print(plan)`` says more."""
        from .plan_text import in_short

        return in_short(self)

    def _repr_html_(self) -> str:
        """A notebook shows what is to be done, why, and what was measured."""
        from .plan_text import as_cell

        return as_cell(self)

    def to_dict(self) -> dict[str, Any]:  # Any: what JSON can hold
        """The plan as a dictionary for JSON, in which infinity is None."""
        from .plan_file import dict_of

        return dict_of(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file, which another program can load.

        Raises:
            OSError: The file cannot be written.
        """
        from .plan_file import write

        write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Load the plan from a file that `save` has written.

        The plan is best for the machine on which it was made: see *cpus*.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds something else.
        """
        from .plan_file import read

        return read(path, cls)
