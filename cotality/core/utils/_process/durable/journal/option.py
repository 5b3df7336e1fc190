"""The options ``journal``, ``resume`` and ``retry_failed`` of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotality.core.utils._process.tasks.checks import checked_flag, path_in

from .journal import Journal

if TYPE_CHECKING:
    from .recorder import Recorder


def recorder_of(
    journal: object, resume: object, retry_failed: object
) -> Recorder | None:
    """Who writes the journal of a call with these options; None without one.

    Args:
        journal: A `Journal`, the path of one, or None.
        resume: Whether to go on from what it says.
        retry_failed: Whether what has failed runs again then.

    Raises:
        TypeError: One of them is not what it must be.
        ValueError: They do not fit together.
    """
    resume = checked_flag("resume", resume)
    retry_failed = checked_flag("retry_failed", retry_failed)
    if journal is None:
        if resume or retry_failed:
            name = "resume" if resume else "retry_failed"
            raise ValueError(
                f"{name}=True needs to know what was done before: add "
                f"journal='run.jsonl', in the run before as well"
            )
        return None
    path = path_in(journal)
    if path is not None:
        journal = Journal(path)
    if not isinstance(journal, Journal):
        raise TypeError(
            f"journal must be a Journal or the path of its file, got {journal!r}"
        )
    if retry_failed and not resume:
        raise ValueError("retry_failed=True is about an earlier run: add resume=True")
    from .recorder import Recorder

    return Recorder(journal, resume=resume, retry_failed=retry_failed)
