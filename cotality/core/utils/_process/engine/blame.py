"""The note on a failure that names its task."""

from __future__ import annotations

import itertools
from typing import Any, cast

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.task import Task, describe, numbered

MISTAKEN = (TypeError, AttributeError)  # which a wrong call may raise
numbers = itertools.count(1)  # of calls


class Blame(str):
    """A note that says which task an exception comes from.

    Attributes:
        call: The number of the call that the task belongs to.
        task_index: The task's.
    """

    call: int
    task_index: int

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Pickled, it is its text: what the numbers count is gone by then."""
        return str, (str(self),)


def blame(
    error: Exception,
    task: Task[Any],  # Any: any task
    index: int,
    call: int,
    *,
    of_items: bool = False,
) -> Exception:
    """*error* with the note that says which task it comes from.

    It is a copy, without what others have noted there, if another task of the call has
    raised the same object: a future that several tasks wait for raises the same for
    each of them.

    Args:
        of_items: Whether the task was made of an item of some data.
    """
    note = Blame(f"Raised by {numbered(index, task)}: {describe(task)}")
    note.call, note.task_index = call, index
    try:
        notes = field_notes(error)
        others = [each for each in notes if is_of_another(each, note)]
        if others:
            from cotality.core.utils._process.pickling.exceptions import copy_of

            error = copy_of(error, notes[: notes.index(others[0])])
        if note not in field_notes(error):
            error.add_note(note)
            if type(error) in MISTAKEN:
                from .unpack_hint import unpack_hint

                hint = unpack_hint(error, task, of_items=of_items)
                if hint is not None:
                    error.add_note(hint)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # Notes are a courtesy, and the class may forbid them. The error itself is
        # on its way to the caller, who must get it either way.
    return error


def field_notes(error: BaseException) -> list[object]:
    notes = vars(error).get("__notes__")
    return cast("list[object]", notes) if isinstance(notes, list) else []


def is_of_another(note: object, blamed: Blame) -> bool:
    if type(note) is not Blame:
        return False
    return note.call == blamed.call and note.task_index != blamed.task_index
