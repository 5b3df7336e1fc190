"""All that is known of a run, for whoever asked for it with *report*."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cotality._kit.public import public
from cotality._kit.safe_text import printable

from .figures import RunFigures

if TYPE_CHECKING:
    from cotality.core.utils._process.engine.observers import Observer

    from .yardstick import Gain


@public
class RunReport(RunFigures):
    """Filled with what is known of a run: ``execute_tasks_in_parallel(..., report=r)``.

    A report belongs to one call: to give it to a second one is a `ValueError`. It may
    be looked at while the call runs, and then holds what is known so far. Times are in
    seconds. A task that was run several times counts once in *done* or *failed*, and
    with each of its runs in all sums of seconds.

    What it costs is 2 microseconds a task on processes and 4 on threads, most of it to
    look at the clocks (measured with tasks that do nothing, on 2 cores, Python 3.11),
    and memory for at most 20,000 spans. Without a report nothing is recorded.

    Args:
        name: What the run is called in the summary and on the page; a text of yours.
        arguments: Say what tasks were called with, and the texts of their exceptions.
            With False, the name of the function and the class of the exception have to
            do in the summary, the page and the trace: the rest may hold secrets.

    Raises:
        TypeError: *arguments* is not a bool, or *name* no text.

    Attributes:
        name: What it was called; mostly empty.
        script: The program that made the call; empty if that is typed in by hand.
        python: Which Python it ran on: ``"CPython 3.11.7 on linux"``.
        function: What the first task called.
        kind: On what the tasks ran: ``"threads"``, ``"processes"``, ``"inline"``,
            ``"auto"``, or the class of an executor.
        workers: How many ran at a time, at most.
        total: How many tasks there were, as far as is known; None if nobody knows.
        started_at: When the call began, in seconds since the epoch.
        wall_seconds: From there to its end.
        done: How many tasks returned a value.
        failed: How many failed for good.
        failures: How many for each class of exception.
        failure_groups: The same, those together that differ in numbers at most, with
            the line that raised them and the first tasks of each; at most 51 groups.
        recalled: How many of those were not run, because the journal of an earlier run
            knew what becomes of them.
        retries: How often a failed task was run again.
        deaths: How many tasks brought their worker down or were ended by *timeout*.
        error: What ended the call before its tasks did, as text; mostly empty.
        task_seconds: The sum of the times that tasks ran.
        cpu_seconds: The sum of their CPU times.
        queue_seconds: The time that workers wanted a CPU and did not get one; None
            where the system does not say (it does on Linux).
        other_cpu_seconds: The CPU time of this process outside of tasks.
        wasted_seconds: The part of *task_seconds* that ended in a failure.
        overhead_seconds: The time workers spent on portions and not in tasks.
        startup_seconds: From the start of the call until the first task ran.
        input_seconds: What it took to read the tasks.
        consumer_seconds: The time the caller spent on results of a stream before it
            asked for more.
        retry_wait_seconds: The longest time a single task waited to be run again.
        lookup_seconds: What it took to find tasks in a journal, by their contents.
        packing_seconds: What it took to pack tasks for other processes.
        unpacking_seconds: What it took to unpack what came back.
        sent_bytes: What went to worker processes, packed; what is large, once.
        received_bytes: What came back from them: results and failures, packed, and 8
            bytes for a number or None.
        portions: How many portions were handed out.
        smallest_portion: The number of tasks in the smallest one.
        largest_portion: Likewise, in the largest one.
        decisions: With ``use_processes="auto"``, what was decided, the latest last.
        runs: How many times tasks were run; more than there are tasks with *retries*.
        rows: What each worker did.
        timeline: When each worker was busy.
    """

    def recorder(self) -> Observer:
        """What fills this report when it watches a call; there is one for a report.

        Raises:
            ValueError: The report belongs to a call already.
        """
        from .recorder import Recorder

        if self.state != "new":
            raise ValueError(
                "this RunReport belongs to another call already: its figures would be "
                "of two calls at once. Make a new one, RunReport(), for each call."
            )
        self.state = "taken"
        return Recorder(self)

    @property
    def gain(self) -> Gain | None:
        """How many times as fast as a plain loop it was; None if nobody can tell.

        By what a task takes alone. It is never more than there were workers.
        """
        from .yardstick import gain_of

        return gain_of(self)

    def summary(self) -> str:
        """What happened, as text for a terminal: about one screen."""
        from .as_text import summary_of

        return printable(summary_of(self), lines=True)

    def explain(self) -> str:
        """Why the run was not faster and what to do about it, or that it went well.

        A paragraph for each reason, the one that cost most first.
        """
        from .as_text import paragraph
        from .causes.diagnosis import findings_of

        text = "\n\n".join(map(paragraph, findings_of(self)))
        return printable(text, lines=True)

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a trace that https://ui.perfetto.dev and ``chrome://tracing`` open.

        A JSON file in the Trace Event format: a row for each worker, a slice for each
        task, or for several short ones in a row.

        Raises:
            OSError: The file cannot be written.
        """
        from .as_trace import save

        save(self, path)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page with the summary, the explanation and a timeline to look into.

        One file that needs no network: it can be kept, sent and opened anywhere.

        Raises:
            OSError: The file cannot be written.
        """
        from .as_page import save

        save(self, path)
