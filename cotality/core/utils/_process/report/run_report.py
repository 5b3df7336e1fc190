"""What a run did and why, for a call with *report*."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cotality._kit.public import public
from cotality._kit.safe_text import printable

from .figures import RunFigures, State

if TYPE_CHECKING:
    from cotality.core.utils._process.engine.observers import Observer

    from .yardstick import Gain


@public
class RunReport(RunFigures):
    """What a run did: the call fills it, ``execute_tasks_in_parallel(..., report=r)``.

    A report belongs to one call; a second call raises a `ValueError`. You may look at
    the report while the call runs: it has what is known so far. Times are in seconds. A
    task that ran several times counts once in *done* or *failed*, and with each of its
    runs in all sums of seconds.

    It costs about 1 microsecond a task on processes and 2.5 on threads, most of it for
    reading the clocks (measured with tasks that do nothing, on 2 cores, Python 3.11),
    and memory for at most 20,000 spans. Without a report, nothing is recorded.

    Args:
        name: The name of the run in the summary and on the page.
        arguments: Whether to show the arguments of tasks and the texts of their
            exceptions, which may hold secrets. With False, the summary, the page and
            the trace have only names of functions and classes of exceptions.

    Raises:
        TypeError: *arguments* is not a bool, or *name* is not a text.

    Attributes:
        name: The name that was given; usually empty.
        script: The program that made the call; empty at an interactive prompt.
        python: The Python that it ran on: ``"CPython 3.11.7 on linux"``.
        function: The name of the function of the first task.
        kind: Where the tasks ran: ``"threads"``, ``"processes"``, ``"inline"``,
            ``"auto"``, or the class of an executor.
        workers: How many workers there were at a time, at most.
        total: How many tasks there were; None if that is not known.
        started_at: When the call began, in seconds since the epoch.
        wall_seconds: How long the call took.
        done: How many tasks returned a value.
        failed: How many tasks failed for good.
        failures: How many failures of each class of exception.
        failure_groups: The same in groups of failures that differ only in numbers, with
            the line that raised them and the first tasks of each; at most 51 groups.
        recalled: How many of the tasks in *done* and *failed* were not run, because the
            journal of an earlier run had their outcomes.
        retries: How often a failed task was run again.
        deaths: How many tasks killed their worker or were ended by *timeout*.
        error: The exception that ended the call early, as text; usually empty.
        task_seconds: The sum of the times that tasks ran.
        cpu_seconds: The sum of the CPU times of tasks.
        queue_seconds: How long workers wanted a CPU and did not get one; None where the
            system does not say (Linux does).
        other_cpu_seconds: The CPU time of this process outside tasks.
        wasted_seconds: The part of *task_seconds* that ended in a failure.
        overhead_seconds: The time that workers spent on portions but not in tasks.
        startup_seconds: From the start of the call until the first task ran.
        input_seconds: How long reading the tasks took.
        consumer_seconds: How long the caller spent on results of a stream before it
            asked for more.
        retry_wait_seconds: The longest time that a single task waited to run again.
        lookup_seconds: How long it took to find tasks in a journal, by their contents.
        packing_seconds: How long it took to pack tasks for other processes.
        unpacking_seconds: How long it took to unpack what came back.
        sent_bytes: How many packed bytes went to worker processes; large objects count
            once.
        received_bytes: How many bytes came back from worker processes: packed results
            and failures, and 8 bytes for a number or None.
        portions: How many portions were handed out.
        smallest_portion: How many tasks the smallest portion had.
        largest_portion: How many tasks the largest portion had.
        decisions: With ``use_processes="auto"``, the decisions, the latest last.
        runs: How often tasks ran; with *retries* this may be more than there are tasks.
        rows: What each worker did.
        timeline: When each worker was busy.
    """

    def recorder(self) -> Observer:
        """The observer that fills this report while a call runs; a report has one.

        Raises:
            ValueError: The report belongs to a call already.
        """
        from .recorder import Recorder

        if self.state != "new":
            raise ValueError(
                "this RunReport belongs to another call already: its figures would be "
                "of two calls at once. Make a new one, RunReport(), for each call."
            )
        self.state: State = "taken"
        return Recorder(self)

    def __repr__(self) -> str:
        """In one line; `summary` says more."""
        from .shown.as_text import headline

        if self.state in ("new", "taken"):
            return "<RunReport: nothing has been run yet>"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return printable(f"<RunReport: {headline(self)}, {self.done:,} done{failed}>")

    def _repr_html_(self) -> str:
        """A notebook shows the summary, the explanation, failures and slow tasks."""
        from .shown.as_cell import cell_of

        return cell_of(self)

    @property
    def gain(self) -> Gain | None:
        """How many times as fast as a plain loop it was; None if that is not known.

        Reckoned from what a task takes alone. It is never more than the number of
        workers.
        """
        from .yardstick import gain_of

        return gain_of(self)

    def summary(self) -> str:
        """The report as text for a terminal: about one screen."""
        from .shown.as_text import summary_of

        return printable(summary_of(self), lines=True)

    def explain(self) -> str:
        """Why the run was not faster and what to do about it, or that it went well.

        One paragraph for each reason; the one that cost most comes first.
        """
        from .causes.diagnosis import findings_of
        from .shown.as_text import paragraph

        text = "\n\n".join(map(paragraph, findings_of(self)))
        return printable(text, lines=True)

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a trace that https://ui.perfetto.dev and ``chrome://tracing`` open.

        A JSON file in the Trace Event format: a row for each worker, a slice for each
        task, or for several short ones in a row.

        Raises:
            OSError: The file cannot be written.
        """
        from .shown.as_trace import save

        save(self, path)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page with the summary, the explanation and a timeline to look into.

        One file that needs no network: it can be kept, sent and opened anywhere.

        Raises:
            OSError: The file cannot be written.
        """
        from .shown.as_page import save

        save(self, path)
