"""What people see of objects: short at a prompt, a table in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from cotality.core.utils.process import (
    Outcome,
    Progress,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    iter_outcomes,
    parallel,
)
from cotality.tuning import execute, optimize
from tests.kit.helpers import Failure, echo, fail_with

EVIL = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Task.of(echo, 13), "Task(echo(13))"),
        (Task(echo, {"value": "a"}), "Task(echo(value='a'))"),
        (Task(echo, {"value": 1}, label="x"), "Task(echo(value=1), label='x')"),
        (Task(abs), "Task(abs())"),
    ],
)
def test_a_task_is_the_call_that_it_stands_for(task: Task[Any], text: str) -> None:
    """As one would write it."""
    assert repr(task) == text


def test_large_arguments_do_not_fill_the_screen() -> None:
    """Nor do those whose repr fails."""

    class Broken:
        def __repr__(self) -> str:
            raise Failure("no repr")

    assert len(repr(Task.of(echo, list(range(10**6))))) < 100
    assert "whose repr raised" in repr(Task.of(echo, Broken())) or "Broken" in repr(
        Task.of(echo, Broken())
    )


def test_an_outcome_says_how_it_ended() -> None:
    """In one line, and in a notebook with when and where."""
    good, bad = iter_outcomes(
        [Task.of(echo, "abc"), Task(fail_with, {"error": Failure(EVIL)})], retries=0
    )

    assert repr(good).startswith("<Outcome 0: echo('abc') returned 'abc' in ")
    assert repr(bad).startswith("<Outcome 1: fail_with(error=")
    assert "raised Failure(" in repr(bad)
    assert "&lt;script&gt;" in bad._repr_html_()
    assert "<script>" not in bad._repr_html_()
    assert "<th" in good._repr_html_()


def test_an_outcome_that_never_began_is_shown_too() -> None:
    """It has no times."""
    outcome: Outcome[int] = Outcome(3, Task.of(echo, 1), error=Failure("x"))

    assert repr(outcome) == "<Outcome 3: echo(1) raised Failure('x') after 0 s>"
    assert "began" not in outcome._repr_html_()


def test_a_report_is_a_line_at_a_prompt() -> None:
    """And its summary in a notebook."""
    report = RunReport(name=EVIL)
    assert repr(report) == "<RunReport: nothing has been run yet>"
    assert "nothing has been run" in report._repr_html_()

    tasks = [Task.of(echo, 1), Task(fail_with, {"error": Failure(EVIL)})]
    execute_tasks_in_parallel(tasks, on_error="return", report=report)

    assert "2 tasks on" in repr(report)
    assert repr(report).endswith("1 done, 1 failed>")
    shown = report._repr_html_()
    assert "<script>" not in shown
    assert "failures" in shown
    assert "slowest" in shown


def test_a_plan_and_its_result_are_lines_at_a_prompt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However many items there are."""
    plan = optimize(abs, range(20_000), fresh=True)
    result = execute(abs, range(20_000), verbose=True)

    assert repr(plan).startswith("<Plan: 20,000 items ")
    assert len(repr(plan)) < 100
    assert len(repr(result)) < 120
    assert "<table>" in plan._repr_html_()
    assert "Why: " in plan._repr_html_()
    assert capsys.readouterr().err


def test_progress_shows_itself_as_the_bar_does() -> None:
    """With its name."""
    half = Progress(1, 2, 0, 0, 1, 2.0, 0.5, 0.5, False, name=EVIL, unit="file")

    assert str(half).endswith("1/2 files, 2.0/s, 500 ms so far, 500 ms left")
    assert '<progress value="1" max="2">' in half._repr_html_()
    assert "<script>" not in half._repr_html_()


def test_a_decorated_function_has_its_name() -> None:
    """And where it came from."""

    @parallel
    def double(value: int) -> int:
        """Twice as much."""
        return 2 * value

    assert repr(double).startswith("<parallel ")
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."
