"""The object that stands for a result that was not kept."""

from __future__ import annotations

from cotality._kit.public import public
from cotality._kit.records import dataclass


@public
@dataclass(frozen=True, slots=True)
class Skipped:
    """Stands for a result: an earlier run has finished this task.

    The result was not kept, because the journal has ``keep_results=False`` or because
    the result could not be pickled. The types of results do not mention `Skipped`, so
    use ``keep_results=False`` only if you ignore results, or check for it.

    Attributes:
        key: The key of the task in the journal.
        reason: Why the result is not there.
    """

    key: str
    reason: str = "keep_results=False"
