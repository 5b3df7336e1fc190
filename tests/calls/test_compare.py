"""Random programs do what the model of the promises says; see `tests.compare`."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.compare.doing import TroubleError
from tests.compare.generate import program_of
from tests.compare.model import Judge, Seen
from tests.compare.program import Call, Do, Program, text_of
from tests.compare.running import House, run

FIRST = 1  # seeds from here on
PROGRAMS = 200
TOGETHER = 50  # programs that share executors, one test each


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.mark.one_python
@pytest.mark.parametrize("begin", range(FIRST, FIRST + PROGRAMS, TOGETHER))
def test_random_programs_do_what_is_promised(begin: int, house: House) -> None:
    """Calls of all kinds, one after the other on warm workers and at the same time."""
    for seed in range(begin, begin + TOGETHER):
        check(program_of(seed), house)


def check(program: Program, house: House) -> None:
    complaints = run(program, house)
    if complaints:
        pytest.fail("\n".join([*complaints[:20], "", text_of(program)]))


# The judge itself.

CALL = Call("list", "threads", 2, (Do("value", 0), Do("value", 9), Do("raise", 4)))
RUNS = Counter({0: 1, 1: 1, 2: 1})
FAILED = TroubleError(4)
IN_PLACE = replace(CALL, on_error="return")
STREAM = replace(IN_PLACE, entry="stream")
NOTED = TroubleError(4)
NOTED.add_note("Raised by task 2: perform(...)")

RIGHT = {
    "in place": (IN_PLACE, Seen([0, 9, FAILED], None, RUNS)),
    "raised": (CALL, Seen([], NOTED, RUNS)),
    "a stream": (STREAM, Seen([(0, 0), (1, 9), (2, FAILED)], None, RUNS)),
    "a stream that is left": (
        replace(STREAM, leave_after=1),
        Seen([(0, 0)], None, Counter([0])),
    ),
    "a group": (
        replace(CALL, on_error="group"),
        Seen([], ExceptionGroup("1 of 3", [NOTED]), RUNS),
    ),
}
WRONG = {
    "another value": (IN_PLACE, Seen([0, 0, FAILED], None, RUNS), "task 1 gave 0"),
    "another type": (IN_PLACE, Seen([0.0, 9, FAILED], None, RUNS), "task 0 gave 0.0"),
    "another order": (IN_PLACE, Seen([9, 0, FAILED], None, RUNS), "task 0 gave 9"),
    "a failure of another": (
        IN_PLACE,
        Seen([0, 9, TroubleError(5)], None, RUNS),
        "task 2 gave",
    ),
    "too few": (IN_PLACE, Seen([0, 9], None, RUNS), "2 results, expected 3"),
    "twice": (IN_PLACE, Seen([0, 9, FAILED], None, RUNS + Counter([1])), "2 times"),
    "never": (IN_PLACE, Seen([0, 9, FAILED], None, Counter([0, 2])), "0 times"),
    "nothing raised": (CALL, Seen([0, 9], None, RUNS), "it has raised nothing"),
    "no note": (CALL, Seen([], FAILED, RUNS), "no note names the task"),
    "raised in place": (IN_PLACE, Seen([], NOTED, RUNS), "it has raised"),
    "no group": (
        replace(CALL, on_error="group"),
        Seen([], NOTED, RUNS),
        "it has raised",
    ),
    "a pair twice": (
        STREAM,
        Seen([(0, 0), (0, 0)], None, RUNS),
        r"results of \[0, 0\]",
    ),
    "results too late": (
        replace(STREAM, leave_after=1),
        Seen([(1, 9)], None, RUNS),
        "not the first",
    ),
}


@pytest.mark.parametrize(("call", "seen"), RIGHT.values(), ids=RIGHT)
def test_the_model_accepts_what_is_promised(call: Call, seen: Seen) -> None:
    """Of a call with one failure."""
    assert list(Judge(call, seen).complaints()) == []


@pytest.mark.parametrize(("call", "seen", "complaint"), WRONG.values(), ids=WRONG)
def test_the_model_complains_of_what_is_not(
    call: Call, seen: Seen, complaint: str
) -> None:
    """Whatever may go wrong with it."""
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError("\n".join(Judge(call, seen).complaints()))


def test_a_program_is_written_down_as_python_that_makes_the_same() -> None:
    """So that it can be run from the report of a failure."""
    for seed in range(100):
        program = program_of(seed)
        names: dict[str, object] = {}
        tree = ast.parse(text_of(program))
        exec(compile(tree, "program", "exec"), {"__name__": "other"} | names, names)
        assert names["program"] == program
