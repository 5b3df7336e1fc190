"""How some work should be run, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cotality._kit.public import public_in

from .plan_fields import PlanFields

if TYPE_CHECKING:
    import os


@public_in("cotality.tuning")
@dataclass(frozen=True)
class Plan(PlanFields):
    """How some work should be run, and what is expected of it.

    ``print(plan)`` says it in words. ``execute(func, data, plan=plan)`` runs the work
    that way; each field can be overridden there, by an argument or by the environment.

    Attributes:
        executor: ``"sequential"``, ``"threads"`` or ``"processes"``.
        n_jobs: How many items run at a time.
        chunksize: How many items travel together.
        estimated_speedup: How many times faster than a loop all of it should be, or was
            if it has been run; never more than *n_jobs*. With worker processes that are
            not running yet, their start is included.
        reason: Why, in a few words.
        profile: What was measured.
        total: How many items it is for; None if nobody knew: then it is for a thousand.
        expected_seconds: How long they should take with each executor; infinity where
            they cannot run.
        cpus: How many CPUs there were.
        speedup_range: Of a run that has ended, from the smaller to the larger estimate
            of what was gained; *estimated_speedup* is the likelier of the two. None
            for a plan that `optimize` has made, or if nobody can tell.
    """

    def __str__(self) -> str:
        from .plan_text import in_words

        return in_words(self)

    def to_dict(self) -> dict[str, Any]:  # Any: what JSON can hold
        """The plan as JSON can hold it. Infinity is None there."""
        from .plan_file import dict_of

        return dict_of(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file, to be loaded by another program.

        Raises:
            OSError: The file cannot be written.
        """
        from .plan_file import write

        write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """The plan in a file that `save` has written.

        It says what was best where it was made: see *cpus*.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds something else.
        """
        from .plan_file import read

        return read(path, cls)
