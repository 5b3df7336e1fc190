"""What to say when a result could not come back from a process.

Whether results can travel nobody knows before there is one, and the first task may take
long. So the first tasks go to processes unseen, as few as keep those busy: one for
each. If one of their results turns out not to travel it is lost, since a task is run
once.
"""

from __future__ import annotations

from cotality._kit.safe_text import class_and_text
from cotality.core.utils._process.portions.chunk import ChunkReport
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError


def explain_lost(report: ChunkReport, way_out: str, *, one_has_arrived: bool) -> str:
    """Have the failures of lost results say why; why nothing more goes there.

    Args:
        way_out: What a caller says for nothing to go to a process.
        one_has_arrived: Whether a result had come back from there before.
    """
    seen = "since others had" if one_has_arrived else "before it had seen one"
    said = (
        f'"auto" had this task run in a process, {seen} come back from there. A task '
        f"is run once; with {way_out} all of them stay in this process."
    )
    lost: list[Exception] = [report.errors[position] for position in report.lost]
    for error in lost:
        if type(error) is TaskNotPicklableError:
            error.args = (f"{error} {said}",)
        else:
            error.add_note(said)
    cause = lost[0].__cause__ or lost[0]
    return f"a result cannot come back from a process ({class_and_text(cause)[:200]})"
