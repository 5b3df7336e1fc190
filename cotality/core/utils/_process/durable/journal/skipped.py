"""What stands for a result that was not kept."""

from __future__ import annotations

from dataclasses import dataclass

from cotality._kit.public import public


@public
@dataclass(frozen=True, slots=True)
class Skipped:
    """In the place of a result: an earlier run has finished this task.

    Its result was not kept, because the journal has ``keep_results=False`` or because
    it could not be pickled. To a type checker it is no result of the task, so only
    calls that ignore results, or look for it, should meet one.

    Attributes:
        key: The key of the task in the journal.
        reason: Why the result is not there.
    """

    key: str
    reason: str = "keep_results=False"
