"""What a program is, and how it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

# What tasks do; see `doing`.
HARMLESS = ("value", "nap", "large", "shared", "state", "context", "changes")
HARMLESS += ("exception", "prepared", "nested")
FAILING = ("raise", "chain", "odd", "exit", "interrupt", "flaky")
UNSENDABLE = ("lock", "lock result")
# Objects that the callable and several arguments share.
SHARING = ("twins", "own", "counts")
# What cannot be written down for another run, or comes back in another form.
UNWRITABLE = (*UNSENDABLE, "odd", "exit", "interrupt")
DEADLY = ("crash", "kill", "late")
FORMS = ("named", "positional", "lambda", "partial", "method", "object", "odd names")


@dataclass(frozen=True)
class Do:
    """What one task does.

    Attributes:
        way: One of those above.
        number: What makes it differ from others.
        form: How its function is given.
    """

    way: str
    number: int
    form: str = "named"


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        entry: Which function or method is called.
        place: Where its tasks are to run.
        source: What kind of iterable the tasks are in.
        fails_at: After how many tasks that raises; None if it does not.
        leave_after: After how many results a stream is left, or a call cancelled; None
            takes all.
        on_error: As the call takes it.
        attempts: How often a task may run.
        retries_crashes: Whether that holds for crashes and time limits as well.
        ordered: Whether results are wanted in order, where that can be said.
        context: Whether the context variable is sent along.
        prepared: What the initializer of workers is given, if there is one.
        is_dropped: Whether a stream that is left is not closed, but forgotten.
        is_resumed: Whether it has a journal, and is made twice, to go on from that.
        limits: Options that must not change any result.
    """

    entry: str
    place: str
    workers: int
    tasks: tuple[Do, ...]
    source: str = "list"
    fails_at: int | None = None
    leave_after: int | None = None
    on_error: str | None = None
    max_failures: int | None = None
    attempts: int = 1
    retries_crashes: bool = False
    ordered: bool = True
    timeout: float | None = None
    context: bool = False
    prepared: int | None = None
    is_dropped: bool = False
    is_resumed: bool = False
    limits: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def is_async(self) -> bool:
        return self.entry.endswith("async")

    @property
    def read(self) -> tuple[Do, ...]:
        """The tasks that its input has."""
        return self.tasks[: self.fails_at]


@dataclass(frozen=True)
class Program:
    """Steps, one after the other; the calls of a step run at the same time."""

    seed: int
    steps: tuple[tuple[Call, ...], ...]


def text_of(program: Program) -> str:
    """*program* as Python that runs it, from the root of the checkout."""
    lines = [
        "from tests.compare.program import Call, Do, Program",
        "from tests.compare.running import run_alone",
        "",
        f"program = Program({program.seed}, (",
    ]
    for step in program.steps:
        lines.append("    (")
        lines += [f"        {text_of_call(call)}," for call in step]
        lines.append("    ),")
    lines += ["))", "", 'if __name__ == "__main__":', "    run_alone(program)", ""]
    return "\n".join(lines)


def text_of_call(call: Call) -> str:
    given = [
        f"{each.name}={text_of_value(getattr(call, each.name))}"
        for each in fields(call)
        if getattr(call, each.name) != each.default
        and (each.name != "limits" or call.limits)
    ]
    return f"Call({', '.join(given)})"


def text_of_value(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(text_of_do, value))},)" if value else "()"
    return repr(value)


def text_of_do(do: object) -> str:
    assert isinstance(do, Do)
    form = f", {do.form!r}" if do.form != "named" else ""
    return f"Do({do.way!r}, {do.number}{form})"


def with_tasks(call: Call, tasks: Sequence[Do]) -> dict[str, object]:
    """What else changes in *call* when it has other *tasks*."""
    fails_at = call.fails_at
    if fails_at is not None:
        fails_at = min(fails_at, len(tasks))
    return {"tasks": tuple(tasks), "fails_at": fails_at}
