"""The journal of a run: a file that the next run can go on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

from cotality._kit.public import public
from cotality.core.utils._process.tasks.checks import checked_flag

Fsync: TypeAlias = Literal["always", "second", "never"]
FSYNC: tuple[Fsync, ...] = ("always", "second", "never")


@public
class Journal:
    """A file in which a run writes down what becomes of each task.

    ``execute_tasks_in_parallel(tasks, journal=Journal("run.jsonl"), resume=True)`` runs
    what an earlier run with this journal has not finished. Tasks are known by their
    ``label``, or else by their function and arguments, so they may come in another
    order, and new ones may be among them. Without *resume* the journal has to be new.

    The file holds one JSON object a line, is written by this process alone, and is
    readable after a kill at any moment. Results are kept beside it, pickled, in the
    directory ``run.jsonl.results``. Who can write to either can make this program run
    any code: so they are made for this user alone, and what others may write to is
    refused. Whoever can read them reads arguments, errors and results.

    Making one touches nothing; the file is opened when a call begins and closed when
    it ends. One run at a time can have it.

    Args:
        path: The file; made if there is none, in a directory that exists.
        fsync: When what was written is to be safe from a crash of the system as well:
            after each event (``"always"``), once a second and at the end
            (``"second"``), or when the system likes (``"never"``). It is safe from the
            end of the process in any case.
        keep_results: Keep results, so that a run that resumes has them all. Otherwise
            it gives a `Skipped` for each task that was finished before.
        skip_damaged: Go on although a line or a result cannot be read, because
            something else has written to the files or a disk has failed. What was
            lost is run again, even if it had been finished.
        trust_others: Use files and folders to which other users may write.

    Raises:
        TypeError: An argument is not what it must be.
        ValueError: *fsync* is none of the three.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: Fsync = "second",
        keep_results: bool = True,
        skip_damaged: bool = False,
        trust_others: bool = False,
    ) -> None:
        self.path = Path(path)
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
