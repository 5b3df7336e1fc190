"""What a caller gets when tasks fail, on threads and on processes."""

from __future__ import annotations

import copyreg
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tblib.pickling_support import pickle_exception

from cotality.core.utils._process.pickling.exceptions import pack_exception
from cotality.core.utils.process import (
    RemoteTaskError,
    Task,
    TaskExitedError,
    TaskNotPicklableError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    execute_tasks_in_parallel_unordered,
)
from tests.kit import zoo
from tests.kit.helpers import (
    Failure,
    Gate,
    Marks,
    add,
    echo,
    fail_freshly,
    fail_with,
    mark_and_fail,
    mark_and_return,
    mark_and_wait,
    open_then_fail,
    wait_for_marks,
    wait_then,
    without_addresses,
)

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

stream_of = execute_tasks_in_parallel_streaming
# One of them counts how often its worker has made it.
alone = pytest.mark.warm(False)
each_whole = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=alone) if n == "made once" else n for n in zoo.WHOLE],
)
each_order = pytest.mark.parametrize("ordered", [True, False])

LARGEST_PORTION = 2048  # tasks, for a process
ODD_ONE = 7  # the index of the task that misbehaves, among 20


def among_others(task: Task[Any]) -> list[Task[Any]]:
    """Twenty tasks of which *task* is one."""
    tasks: list[Task[Any]] = [Task(echo, {"value": index}) for index in range(20)]
    tasks[ODD_ONE] = task
    return tasks


def outcome_among_others(task: Task[Any], use_processes: bool) -> Any:
    """What becomes of *task*; the nineteen beside it have to be unharmed."""
    results = execute_tasks_in_parallel(
        among_others(task), 2, use_processes, return_exceptions=True
    )
    odd_one = results.pop(ODD_ONE)
    assert results == [index for index in range(20) if index != ODD_ONE]
    return odd_one


def raised_by(task: Task[Any], use_processes: bool) -> Exception:
    """What a call raises of which *task* is the only one."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  # the caller looks at it
        execute_tasks_in_parallel([task], 2, use_processes)
    return raised.value


def names_of_frames(error: BaseException | None) -> list[str]:
    assert error is not None
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# The exception itself


def facts(error: BaseException, animal: zoo.Animal) -> dict[str, object]:
    """What has to be the same on both sides."""
    found: dict[str, object] = {"class": type(error).__name__, "args": error.args}
    for name in animal.attributes:
        found[name] = getattr(error, name)
    try:
        found["text"] = str(error)
    except ValueError as broken:
        found["text"] = f"raises {broken}"
    return found


@each_whole
def test_an_exception_arrives_as_it_was(name: str, use_processes: bool) -> None:
    """Same class, arguments, text and attributes; the other tasks are unharmed."""
    animal = zoo.WHOLE[name]
    original = animal.make()

    error = outcome_among_others(Task(zoo.misbehave, {"name": name}), use_processes)

    assert facts(error, animal) == facts(original, animal)
    if "Local" not in type(original).__name__:
        assert type(error) is type(original)
    assert names_of_frames(error)[-1] in ("misbehave", *names_of_frames(original))


@each_whole
def test_an_exception_is_raised_as_it_was(name: str, use_processes: bool) -> None:
    """The same without `return_exceptions`."""
    animal = zoo.WHOLE[name]

    error = raised_by(Task(zoo.misbehave, {"name": name}), use_processes)

    assert facts(error, animal) == facts(animal.make(), animal)


@pytest.mark.parametrize("name", zoo.BROKEN)
def test_an_exception_that_cannot_travel(name: str, use_processes: bool) -> None:
    """On processes a `RemoteTaskError` stands for it, and tells all about it."""
    animal = zoo.BROKEN[name]
    original = animal.make()

    error = outcome_among_others(Task(zoo.misbehave, {"name": name}), use_processes)

    if not use_processes:
        assert type(error) is type(original)
        return
    assert type(error) is RemoteTaskError
    assert error.type_name == f"tests.kit.zoo.{type(original).__name__}"
    assert error.type_name in str(error)
    assert str(original.args[0]) in str(error)
    assert "in misbehave" in error.traceback_text
    assert "in misbehave" in error.__notes__[0]
    assert "misbehave" in names_of_frames(error)


@pytest.mark.parametrize("name", zoo.BROKEN)
def test_an_exception_that_cannot_travel_is_raised(
    name: str, use_processes: bool
) -> None:
    """It ends the call like any other."""
    error = raised_by(Task(zoo.misbehave, {"name": name}), use_processes)

    kind = RemoteTaskError if use_processes else type(zoo.BROKEN[name].make())
    assert type(error) is kind


@pytest.mark.parametrize("name", zoo.EVIL)
def test_an_exception_that_fights_back(name: str, use_processes: bool) -> None:
    """It is its own task's failure, and harms neither the others nor the call."""
    error = outcome_among_others(Task(zoo.misbehave, {"name": name}), use_processes)

    kind = type(zoo.EVIL[name].make())
    assert type(error) in (kind, RemoteTaskError)
    if type(error) is RemoteTaskError:
        assert error.type_name == f"tests.kit.zoo.{kind.__name__}"


@pytest.mark.parametrize("name", zoo.EVIL)
def test_an_exception_that_fights_back_is_raised(
    name: str, use_processes: bool
) -> None:
    """The call raises it; it does not hang and raises nothing of its own."""
    error = raised_by(Task(zoo.misbehave, {"name": name}), use_processes)

    assert type(error) in (type(zoo.EVIL[name].make()), RemoteTaskError)


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


def test_a_recursion_without_end(use_processes: bool) -> None:
    """A `RecursionError` arrives with its hundreds of frames."""
    error = outcome_among_others(Task(recurse, {"depth": 0}), use_processes)

    assert type(error) is RecursionError
    assert names_of_frames(error).count("recurse") > 500


def recurse_into_errors(depth: int) -> NoReturn:
    try:
        if depth:
            recurse_into_errors(depth - 1)
    except Failure as error:
        raise Failure(f"at {depth}") from error
    raise Failure("at the bottom")


def test_a_long_chain_of_causes(use_processes: bool) -> None:
    """A chain of a hundred exceptions arrives whole."""
    error = outcome_among_others(
        Task(recurse_into_errors, {"depth": 100}), use_processes
    )

    length = 0
    while error.__cause__ is not None:
        error = error.__cause__
        length += 1
    assert (length, str(error)) == (100, "at the bottom")


def test_a_long_chain_stays_small_on_the_way() -> None:
    """What travels grows with the number of exceptions, not with its square."""
    short = len(pack_exception(caught(recurse_into_errors, 30)))
    long = len(pack_exception(caught(recurse_into_errors, 120)))

    assert long < 8 * short


@pytest.mark.parametrize("name", zoo.EXITS)
def test_a_task_that_exits(name: str, use_processes: bool) -> None:
    """What is no `Exception` ends its task alone, as a `TaskExitedError` from it."""
    animal = zoo.EXITS[name]
    original = animal.make()

    error = outcome_among_others(Task(zoo.leave, {"name": name}), use_processes)

    assert type(error) is TaskExitedError
    assert type(original).__name__ in str(error)
    cause = error.__cause__
    assert cause is not None
    assert type(cause) is type(original)
    assert [getattr(cause, each) for each in animal.attributes] == [
        getattr(original, each) for each in animal.attributes
    ]
    assert "leave" in names_of_frames(cause)
    assert "leave" in names_of_frames(error)


@pytest.mark.parametrize("name", zoo.EXITS)
def test_a_task_that_exits_ends_the_call(name: str, use_processes: bool) -> None:
    """Without `return_exceptions` the call raises `TaskExitedError`."""
    error = raised_by(Task(zoo.leave, {"name": name}), use_processes)

    assert type(error) is TaskExitedError
    assert type(error.__cause__) is type(zoo.EXITS[name].make())


# Traceback, notes and links to other exceptions


def outer_step(value: int) -> int:
    return inner_step(value)


def inner_step(value: int) -> int:
    raise Failure(value)  # the line that failed


def test_a_traceback_shows_where_it_happened(use_processes: bool) -> None:
    """It holds the frames of the worker below those of the caller."""
    error = raised_by(Task(outer_step, {"value": 3}), use_processes)

    frames = traceback.extract_tb(error.__traceback__)
    assert [frame.name for frame in frames[-2:]] == ["outer_step", "inner_step"]
    assert frames[-1].line == "raise Failure(value)  # the line that failed"
    assert Path(frames[-1].filename) == Path(__file__)
    assert (
        frames[-1].line == linecache.getline(__file__, frames[-1].lineno or 0).strip()
    )
    assert frames[0].name == "raised_by"
    printed = "".join(traceback.format_exception(error))
    assert "in inner_step" in printed


def test_a_returned_failure_has_its_traceback(use_processes: bool) -> None:
    """With `return_exceptions` it begins where the task begins."""
    error = outcome_among_others(Task(outer_step, {"value": 3}), use_processes)

    assert names_of_frames(error) == ["outer_step", "inner_step"]


def test_a_traceback_through_library_code(use_processes: bool) -> None:
    """Frames of other modules are there as well."""
    error = raised_by(Task.of("{:z}".format, 3), use_processes)
    assert type(error) is ValueError

    error = raised_by(Task(zoo.json.loads, {"s": "{"}), use_processes)
    assert names_of_frames(error)[-3:] == ["loads", "decode", "raw_decode"]


def test_a_note_names_the_task(use_processes: bool) -> None:
    """Its index, its function, and its arguments, shortened."""
    task = Task(fail_with, {"error": Failure("a" * 1000)})

    with pytest.raises(Failure) as raised:
        execute_tasks_in_parallel([Task(add, {"a": 1, "b": 2}), task], 1, use_processes)

    (note,) = raised.value.__notes__
    assert note.startswith("Raised by task 1: fail_with(error=Failure('aaa")
    assert len(note) < 200


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Task.of(outer_step, 3), "outer_step(3)"),
        (Task(outer_step, {"value": 3}), "outer_step(value=3)"),
        (Task(outer_step, {"value": [0] * 1000}), "outer_step(value=[0, 0, 0, "),
        (Task(outer_step, {"value": zoo.BadRepr()}), "outer_step(value=<BadRepr"),
        (Task(outer_step, {f"a{i}": i for i in range(999)}), "outer_step(a0=0, a1=1"),
        (Task(lambda: 1 // 0), "<lambda>()"),
        (Task(int, {"value": 3}), "int(value=3)"),
    ],
    ids=["position", "name", "list", "no repr", "many", "lambda", "built-in"],
)
def test_a_note_fits_on_a_line(task: Task[Any], text: str, use_processes: bool) -> None:
    """Whatever the arguments are, they are shown as far as that is possible."""
    error = raised_by(task, use_processes)

    assert error.__notes__[-1].startswith(f"Raised by task 0: {text}")
    assert len(error.__notes__[-1]) < 300


def note_and_fail() -> NoReturn:
    error = Failure("noted")
    error.add_note("first")
    error.add_note("second\nline")
    raise error


def test_notes_arrive(use_processes: bool) -> None:
    """Notes of the task come first, then ours."""
    assert outcome_among_others(Task(note_and_fail), use_processes).__notes__[:2] == [
        "first",
        "second\nline",
    ]

    error = raised_by(Task(note_and_fail), use_processes)

    assert error.__notes__ == [
        "first",
        "second\nline",
        "Raised by task 0: note_and_fail()",
    ]


def fail_from() -> NoReturn:
    try:
        inner_step(3)
    except Failure as error:
        raise KeyError("outer") from error


def fail_from_none() -> NoReturn:
    try:
        inner_step(3)
    except Failure:
        raise KeyError("outer") from None


def fail_while_handling() -> NoReturn:
    try:
        inner_step(3)
    except Failure:
        raise KeyError("outer")  # noqa: B904  # the context is what is tested


def fail_with_both() -> NoReturn:
    try:
        inner_step(3)
    except Failure:
        raise KeyError("outer") from ValueError("cause")


def assert_is_inner(error: BaseException | None) -> None:
    assert type(error) is Failure
    assert error.args == (3,)
    assert names_of_frames(error)[-1] == "inner_step"


def test_a_cause_arrives(use_processes: bool) -> None:
    """An exception raised from another still is, with the frames of both."""
    error = raised_by(Task(fail_from), use_processes)

    assert type(error) is KeyError
    assert_is_inner(error.__cause__)
    assert error.__context__ is error.__cause__
    assert error.__suppress_context__


def test_a_context_arrives(use_processes: bool) -> None:
    """What was being handled is there, and shown."""
    error = raised_by(Task(fail_while_handling), use_processes)

    assert error.__cause__ is None
    assert_is_inner(error.__context__)
    assert not error.__suppress_context__


def test_a_hidden_context_arrives_hidden(use_processes: bool) -> None:
    """`raise ... from None` keeps its meaning."""
    error = raised_by(Task(fail_from_none), use_processes)

    assert error.__cause__ is None
    assert_is_inner(error.__context__)
    assert error.__suppress_context__


def test_cause_and_context_may_differ(use_processes: bool) -> None:
    """Each is where it was."""
    error = raised_by(Task(fail_with_both), use_processes)

    assert type(error.__cause__) is ValueError
    assert_is_inner(error.__context__)


def test_a_call_made_while_handling_keeps_the_context_of_the_task(
    use_processes: bool,
) -> None:
    """A call inside an `except` does not take what the task was handling away."""
    try:
        raise LookupError("of the caller")
    except LookupError:
        error = raised_by(Task(fail_while_handling), use_processes)

    assert_is_inner(error.__context__)


def fail_from_itself() -> NoReturn:
    error = Failure("itself")
    error.__cause__ = error
    raise error


def fail_in_a_circle() -> NoReturn:
    first, second, third = Failure("first"), Failure("second"), Failure("third")
    first.__context__, second.__context__, third.__context__ = second, third, first
    raise first


def test_an_exception_that_is_its_own_cause(use_processes: bool) -> None:
    """It still is, and nobody runs in circles."""
    error = outcome_among_others(Task(fail_from_itself), use_processes)

    assert error.args == ("itself",)
    assert error.__cause__ is error


def test_a_circle_of_contexts(use_processes: bool) -> None:
    """It arrives as the circle it was."""
    error = outcome_among_others(Task(fail_in_a_circle), use_processes)

    circle = [error, error.__context__, error.__context__.__context__]
    assert [each.args[0] for each in circle] == ["first", "second", "third"]
    assert circle[2].__context__ is error


def fail_from_what_cannot_travel() -> NoReturn:
    try:
        raise zoo.HasLock
    except zoo.HasLock as error:
        raise Failure("outer") from error


def test_a_cause_that_cannot_travel_spoils_nothing_else(use_processes: bool) -> None:
    """Only the link that cannot be rebuilt is replaced."""
    error = raised_by(Task(fail_from_what_cannot_travel), use_processes)

    assert type(error) is Failure
    assert type(error.__cause__) is (RemoteTaskError if use_processes else zoo.HasLock)
    assert "fail_from_what_cannot_travel" in names_of_frames(error.__cause__)


# Groups


class Herd(ExceptionGroup[Exception]):
    """A group with something of its own."""

    def derive(self, excs: Any) -> Herd:
        return Herd(self.message, excs)


def caught(function: Callable[..., object], *arguments: object) -> Exception:
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("it did not raise")


def fail_in_groups(kind: type[ExceptionGroup[Exception]] = ExceptionGroup) -> NoReturn:
    inner = kind("inner", [caught(fail_from), caught(outer_step, 4)])
    inner.add_note("of the inner group")
    outer = kind("outer", [caught(outer_step, 3), inner])
    outer.code = 3  # type: ignore[attr-defined]
    raise outer


@pytest.mark.parametrize("kind", [ExceptionGroup, Herd])
def test_a_group_arrives_with_its_members(
    kind: type[ExceptionGroup[Exception]], use_processes: bool
) -> None:
    """Groups in groups, each member with its own frames, notes and links."""
    error = outcome_among_others(Task(fail_in_groups, {"kind": kind}), use_processes)

    assert type(error) is kind
    assert (error.message, error.code) == ("outer", 3)
    first, inner = error.exceptions
    assert_is_inner(first)
    assert type(inner) is kind
    assert inner.__notes__ == ["of the inner group"]
    assert_is_inner(inner.exceptions[0].__cause__)
    assert names_of_frames(inner.exceptions[1])[-2:] == ["outer_step", "inner_step"]
    assert names_of_frames(error)[-1] == "fail_in_groups"


def test_a_group_can_be_split(use_processes: bool) -> None:
    """`except*` works on what arrives."""
    seen: list[object] = []
    try:
        execute_tasks_in_parallel([Task(fail_in_groups)], 2, use_processes)
    except* Failure as group:
        seen += [leaf.args for leaf in leaves(group)]
    except* KeyError as group:
        seen += [leaf.args for leaf in leaves(group)]

    assert seen == [(3,), (4,), ("outer",)]


def leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found += leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


def fail_in_a_group_around_its_context() -> NoReturn:
    try:
        raise ExceptionGroup("deep", [Failure("deepest")])
    except ExceptionGroup as deep:
        raise ExceptionGroup("top", [ExceptionGroup("middle", [deep])])  # noqa: B904


def test_a_group_that_is_met_on_two_ways(use_processes: bool) -> None:
    """A group that is a member deep down, and the context as well, stays one group."""
    error = outcome_among_others(
        Task(fail_in_a_group_around_its_context), use_processes
    )

    (middle,) = error.exceptions
    (deep,) = middle.exceptions
    assert type(deep) is ExceptionGroup
    assert deep.message == "deep"
    assert deep is error.__context__


def fail_in_a_group_with_what_cannot_travel() -> NoReturn:
    raise ExceptionGroup("mixed", [Failure("whole"), caught(zoo.misbehave, "lock")])


def test_a_member_that_cannot_travel_spoils_nothing_else(use_processes: bool) -> None:
    """The other members of its group are there."""
    error = outcome_among_others(
        Task(fail_in_a_group_with_what_cannot_travel), use_processes
    )

    assert type(error) is ExceptionGroup
    assert error.exceptions[0].args == ("whole",)
    kind = RemoteTaskError if use_processes else zoo.HasLock
    assert type(error.exceptions[1]) is kind


class HerdWithLock(Herd):
    """A group that cannot travel, with members that can."""


def fail_in_a_group_that_cannot_travel() -> NoReturn:
    group = HerdWithLock("locked", [Failure("whole")])
    group.lock = zoo.threading.Lock()  # type: ignore[attr-defined]
    raise group


def test_a_group_that_cannot_travel_is_still_named(use_processes: bool) -> None:
    """Its class and its members can be learnt from what arrives."""
    error = outcome_among_others(
        Task(fail_in_a_group_that_cannot_travel), use_processes
    )

    printed = "".join(traceback.format_exception(error))
    assert "HerdWithLock" in printed
    assert "whole" in printed


# Which failure is raised, and what becomes of the other tasks


@dataclass
class OpensGate:
    """Opens a gate when it is shown: by the caller, who then writes the note."""

    gate: Gate

    def __repr__(self) -> str:
        self.gate.open()
        return "OpensGate()"


def fail_after(gate: Gate | None, text: str, more: object = None) -> NoReturn:
    if gate is not None:
        gate.wait()
    raise Failure(text)


def test_the_first_failure_seen_is_raised(use_processes: bool, gate: Gate) -> None:
    """One that comes later in the list, and earlier in time, wins."""
    early = {"gate": None, "text": "early", "more": OpensGate(gate)}
    tasks: list[Task[Any]] = [
        Task(fail_after, {"gate": gate, "text": "late"}),
        Task(fail_after, early),
    ]

    with pytest.raises(Failure, match="early") as raised:
        execute_tasks_in_parallel(tasks, 2, use_processes, grace=None)

    assert raised.value.__notes__[0].startswith("Raised by task 1: fail_after(")


@pytest.mark.parametrize(
    "function",
    [execute_tasks_in_parallel, execute_tasks_in_parallel_unordered, stream_of],
)
def test_a_failure_drops_what_has_not_started(
    function: Any, use_processes: bool, marks: Marks, gate: Gate
) -> None:
    """A call that fails does not run the other ten thousand tasks first."""
    tasks: list[Task[Any]] = [
        Task(open_then_fail, {"gate": gate, "text": "first"}),
        *(
            Task(mark_and_wait, {"marks": marks, "name": f"{i}", "gate": gate})
            for i in range(10_000)
        ),
    ]

    with pytest.raises(Failure, match="first"):
        list(function(tasks, 2, use_processes))

    # Those that run until the failure is known here: few, but on a busy machine.
    assert len(marks.names()) < 1000


def test_a_failure_waits_for_what_runs(
    use_processes: bool, marks: Marks, gate: Gate
) -> None:
    """With all the grace they need, running tasks are over when the call is."""
    tasks: list[Task[Any]] = [
        Task(wait_for_marks_then_fail, {"marks": marks, "gate": gate}),
        Task(mark_wait_and_mark, {"marks": marks, "gate": gate}),
    ]

    with pytest.raises(Failure, match="others run"):
        execute_tasks_in_parallel(tasks, 2, use_processes, grace=None)

    assert marks.names() == {"failing", "begun", "done"}


def wait_for_marks_then_fail(marks: Marks, gate: Gate) -> NoReturn:
    wait_for_marks(marks, "failing", 2)
    gate.open()
    raise Failure("others run")


def mark_wait_and_mark(marks: Marks, gate: Gate) -> None:
    marks.leave("begun")
    gate.wait()
    marks.leave("done")


def test_a_failure_gives_processes_no_more_than_their_grace(
    marks: Marks, gate: Gate, make_gate: Callable[[str], Gate]
) -> None:
    """A task that would run for long does not keep the failure from the caller."""
    tasks: list[Task[Any]] = [
        Task(wait_for_marks_then_fail, {"marks": marks, "gate": gate}),
        Task(mark_wait_and_mark, {"marks": marks, "gate": make_gate("never")}),
    ]

    with pytest.raises(Failure, match="others run"):
        execute_tasks_in_parallel(tasks, 2, use_processes=True, grace=0)

    assert marks.names() == {"failing", "begun"}


def test_little_runs_after_a_failure(use_processes: bool, marks: Marks) -> None:
    """On threads nothing; on processes what stood ready, a portion at most."""
    tasks: list[Task[Any]] = [
        *(Task(echo, {"value": i}) for i in range(4000)),  # portions are large now
        Task(mark_and_fail, {"marks": marks, "name": "failing"}),
        *(Task(mark_and_return, {"marks": marks, "value": i}) for i in range(4000)),
    ]

    with pytest.raises(ValueError, match="failing"):
        execute_tasks_in_parallel(tasks, 1, use_processes)

    assert len(marks.names() - {"failing"}) <= (LARGEST_PORTION if use_processes else 0)


def test_everything_runs_when_failures_are_returned(
    use_processes: bool, marks: Marks
) -> None:
    """Each failure is in its task's place, and none stops another task."""
    tasks: list[Task[Any]] = [
        Task(mark_and_fail if i % 3 else mark_and_return, {"marks": marks, key(i): i})
        for i in range(100)
    ]

    results = execute_tasks_in_parallel(tasks, 2, use_processes, return_exceptions=True)

    assert marks.names() == {str(i) for i in range(100)}
    for index, result in enumerate(results):
        if index % 3:
            assert isinstance(result, ValueError)
            assert result.args == (index,)
        else:
            assert result == index


def key(index: int) -> str:
    return "name" if index % 3 else "value"


@each_order
def test_a_stream_yields_what_is_there_before_it_fails(
    use_processes: bool, ordered: bool, marks: Marks
) -> None:
    """Results from before the failure come first; after it the stream is over."""
    tasks: list[Task[Any]] = [
        *(Task(mark_and_return, {"marks": marks, "value": i}) for i in range(5)),
        Task(mark_and_fail, {"marks": marks, "name": "failing"}),
    ]
    stream = stream_of(tasks, 1, use_processes, ordered=ordered)

    assert [next(stream) for _ in range(5)] == [(i, i) for i in range(5)]
    with pytest.raises(ValueError, match="failing"):
        next(stream)
    assert list(stream) == []


def test_an_ordered_stream_yields_up_to_the_first_that_is_missing(
    use_processes: bool, gate: Gate
) -> None:
    """What lies behind the failed task is not yielded, though it may be there."""
    tasks: list[Task[Any]] = [
        Task(echo, {"value": 0}),
        Task(open_then_fail, {"gate": gate, "text": "second"}),
        Task(wait_then, {"gate": gate, "value": 2}),
    ]
    seen: list[object] = []

    with pytest.raises(Failure, match="second"):
        seen.extend(stream_of(tasks, 2, use_processes))

    assert seen == [(0, 0)]


@each_order
def test_a_stream_goes_on_when_failures_are_returned(
    use_processes: bool, ordered: bool
) -> None:
    """Each failure comes with the index of its task."""
    stream = stream_of(
        among_others(Task(fail_freshly)),
        2,
        use_processes,
        return_exceptions=True,
        ordered=ordered,
    )

    results = dict(stream)

    assert type(results.pop(ODD_ONE)) is Failure
    assert results == {i: i for i in range(20) if i != ODD_ONE}


def test_stop_iteration_of_a_task_does_not_end_a_list_early(
    use_processes: bool,
) -> None:
    """The functions that return lists raise it; a stream, being a generator, cannot."""
    task = Task(fail_with, {"error": StopIteration(3)})

    with pytest.raises(StopIteration):
        execute_tasks_in_parallel(among_others(task), 2, use_processes)
    with pytest.raises(StopIteration):
        execute_tasks_in_parallel_unordered(among_others(task), 2, use_processes)
    with pytest.raises(RuntimeError) as raised:
        list(stream_of(among_others(task), 2, use_processes))
    assert type(raised.value.__cause__) is StopIteration


def test_a_failure_wins_over_a_broken_input(use_processes: bool, gate: Gate) -> None:
    """A task that fails before the input is read to its bad end is what is raised."""

    def tasks() -> Any:
        yield Task(fail_freshly)
        yield from (Task(echo, {"value": i}) for i in range(100_000))
        raise LookupError("of the input")

    with pytest.raises(Failure):
        execute_tasks_in_parallel(tasks(), 2, use_processes)


@pytest.mark.parametrize(
    "arguments", [{"a": 1}, {"a": 1, "b": 2, "c": 3}, {1: 2}], ids=without_addresses
)
def test_arguments_that_do_not_fit(
    arguments: dict[Any, Any], use_processes: bool
) -> None:
    """A call that cannot be made is the failure of its task."""
    assert type(outcome_among_others(Task(add, arguments), use_processes)) is TypeError


# Arguments and results that cannot travel

NOT_SENDABLE = [
    "lock",
    "generator",
    "open file",
    "local class that holds a lock",
    "closure over a lock",
    "deep list",
    "reduce raises",
    "reduce raises what has no text",
    "proxy",
]
SPOILT_IN_WORKER = ["unpickling raises in a worker"]
SPOILT_IN_PARENT = ["unpickling raises in the parent"]


@pytest.mark.parametrize("name", NOT_SENDABLE)
def test_an_argument_that_cannot_be_pickled(name: str) -> None:
    """Only its task fails, and the message names the argument and a way out."""
    value = zoo.make(name)

    error = outcome_among_others(Task(zoo.accept, {"value": value}), True)

    zoo.accept(value)
    assert type(error) is TaskNotPicklableError
    assert "arguments['value']" in str(error)
    assert "Use threads" in str(error)
    assert error.__cause__ is not None


@pytest.mark.parametrize("name", NOT_SENDABLE)
def test_a_result_that_cannot_be_pickled(name: str) -> None:
    """Only its task fails, and the message says that the task ran."""
    error = outcome_among_others(Task(zoo.make, {"name": name}), True)

    assert type(error) is TaskNotPicklableError
    assert "its result cannot be sent back" in str(error)
    assert error.__cause__ is not None


@pytest.mark.parametrize("name", NOT_SENDABLE)
def test_an_argument_given_by_position_that_cannot_be_pickled(name: str) -> None:
    """The message names its place."""
    value = zoo.make(name)

    error = raised_by(Task.of(zoo.accept, value), True)

    zoo.accept(value)
    assert type(error) is TaskNotPicklableError
    assert "positional[0]" in str(error)


@pytest.mark.parametrize("name", ["proxy", "reduce raises", "closure over a lock"])
def test_a_function_that_cannot_be_pickled(name: str) -> None:
    """Only its task fails, and the message says that it is the function."""
    function: Any = zoo.make(name)

    error = outcome_among_others(Task(function), True)

    assert type(error) is TaskNotPicklableError
    assert "the function" in str(error)


def test_the_place_inside_an_argument_is_named() -> None:
    """The path leads to the very thing that cannot be pickled."""
    config = {"config": [1, zoo.HasLock()]}

    error = raised_by(Task(zoo.accept, {"value": config}), True)

    assert "arguments['value']['config'][1].lock is a _thread.lock" in str(error)


def test_the_place_is_named_alike_where_something_else_pickles_exceptions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as dask, which registers what tblib makes of them."""
    monkeypatch.setitem(copyreg.dispatch_table, zoo.HasLock, pickle_exception)

    error = raised_by(Task(zoo.accept, {"value": [zoo.HasLock()]}), True)

    assert "arguments['value'][0].lock is a _thread.lock" in str(error)


@pytest.mark.parametrize("name", ["reduce exits", "unpickling exits in a worker"])
def test_an_argument_that_exits(name: str) -> None:
    """It ends neither the caller nor a worker."""
    error = outcome_among_others(Task(zoo.accept, {"value": zoo.make(name)}), True)

    assert type(error) is TaskExitedError
    assert type(error.__cause__) is SystemExit


def test_a_result_that_exits_when_it_is_pickled() -> None:
    """It ends no worker."""
    error = outcome_among_others(Task(zoo.make, {"name": "reduce exits"}), True)

    assert type(error) is TaskExitedError


def test_an_argument_that_cannot_be_unpickled() -> None:
    """Its task fails with what unpickling raised."""
    value = zoo.make("unpickling raises in a worker")

    error = outcome_among_others(Task(zoo.accept, {"value": value}), True)

    assert isinstance(error, Exception)
    assert "refuses" in str(error)
    assert "refuse" in names_of_frames(error)


def test_a_function_that_cannot_be_unpickled() -> None:
    """Every task that uses it fails, and no other."""
    function: Any = zoo.make("unpickling raises in a worker")
    tasks = among_others(Task(function))
    tasks[ODD_ONE + 1] = Task(function)

    results = execute_tasks_in_parallel(tasks, 2, True, return_exceptions=True)

    failed = [i for i, result in enumerate(results) if isinstance(result, Exception)]
    assert failed == [ODD_ONE, ODD_ONE + 1]


@pytest.mark.parametrize(
    "name", ["unpickling raises in the parent", "unpickling exits in the parent"]
)
def test_a_result_that_cannot_be_unpickled(name: str) -> None:
    """Only its task fails, and the message says that the result was there."""
    error = outcome_among_others(Task(zoo.make, {"name": name}), True)

    assert type(error) is TaskNotPicklableError
    assert "cannot be unpickled here" in str(error)
    assert error.__cause__ is not None


@pytest.mark.parametrize("name", zoo.THINGS)
def test_threads_take_whatever_cannot_travel(name: str) -> None:
    """Nothing is pickled on threads, so nothing of this matters there."""
    value = zoo.make(name)

    results = execute_tasks_in_parallel(
        [Task(echo, {"value": value}), Task(zoo.accept, {"value": value})], 1
    )

    assert results[0] is value
    assert results[1] == "accepted"


def test_code_that_travels_by_value_keeps_its_file() -> None:
    """The traceback of a lambda shows the line it was written on, and its text."""
    with pytest.raises(ZeroDivisionError) as caught:
        execute_tasks_in_parallel([Task(lambda: 1 / 0)], use_processes=True)

    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == __file__
    assert last.line is not None
    assert "lambda: 1 / 0" in last.line
