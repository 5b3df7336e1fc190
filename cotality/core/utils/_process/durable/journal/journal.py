"""The journal of a run: a file from which the next run can continue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from cotality._kit.public import public
from cotality.core.utils._process.tasks.checks import checked_flag, checked_path

if TYPE_CHECKING:
    from pathlib import Path

Fsync: TypeAlias = Literal["always", "second", "never"]
FSYNC: tuple[Fsync, ...] = ("always", "second", "never")


@public
class Journal:
    """A file in which a run writes down how each task ends.

    ``execute_tasks_in_parallel(tasks, journal=Journal("run.jsonl"), resume=True)`` runs
    the tasks that an earlier run with this journal has not finished. A task is
    recognised by its ``label``, or else by its function and arguments. So tasks may
    come in another order, with new ones among them. Without *resume* the journal has to
    be new.

    The file holds one JSON object a line. Only this process writes it, and it is
    readable after a kill at any moment. Results are pickled into the directory
    ``run.jsonl.results`` beside it. Whoever can write to the file or the directory can
    make this program run any code. So both are created for this user alone, and a call
    refuses them if others may write to them. Whoever can read them sees arguments,
    errors and results.

    Making a `Journal` touches nothing. A call opens the file when it begins and closes
    it when it ends. Only one run at a time can have it.

    Args:
        path: The file. It is created if it does not exist; its directory has to exist.
        fsync: When written lines are safe even if the system crashes: after each event
            (``"always"``), once a second and at the end (``"second"``), or whenever the
            system chooses (``"never"``). They always survive the end of the process.
        keep_results: Keep results, so that a run that resumes has all of them.
            Otherwise it gives a `Skipped` for each task that was finished before.
        skip_damaged: Continue although a line or a result cannot be read, because
            something else has written to the files or a disk has failed. Tasks whose
            lines are lost run again, even if they were finished.
        trust_others: Use files and folders to which other users may write.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: *fsync* is none of the three, or *path* is empty.
    """

    path: Path
    keep_results: bool
    skip_damaged: bool
    trust_others: bool

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: Fsync = "second",
        keep_results: bool = True,
        skip_damaged: bool = False,
        trust_others: bool = False,
    ) -> None:
        self.path = checked_path("path", path)
        self.fsync = checked_fsync(fsync)
        self.keep_results = checked_flag("keep_results", keep_results)
        self.skip_damaged = checked_flag("skip_damaged", skip_damaged)
        self.trust_others = checked_flag("trust_others", trust_others)

    def __repr__(self) -> str:
        return f"Journal({os.fspath(self.path)!r})"

    @property
    def results_path(self) -> Path:
        """The directory of the results."""
        return self.path.with_name(f"{self.path.name}.results")


def checked_fsync(fsync: object) -> Fsync:
    for each in FSYNC:
        if fsync == each:
            return each
    raise ValueError(
        f"fsync must be one of {', '.join(map(repr, FSYNC))}, got {fsync!r}"
    )
