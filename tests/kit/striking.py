"""A signal at one instruction of this thread, whose handler raises.

A trace function counts the instructions and sends the signal, so the handler runs there
and then: what it raises has passed a handler's frame, as it has in a program. One that
is only raised by a trace function has not, and is taken for a failure of an object
wherever code asks whether a signal has struck.
"""

from __future__ import annotations

import contextlib
import dis
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import cotality

OURS = str(Path(cotality.__file__).parent)
TESTS = str(Path(__file__).parent)


class LateError(TimeoutError):
    """What a time limit raises; an `OSError`, as many people's is."""


def be_late(number: int, frame: FrameType | None) -> None:
    """The handler of a time limit."""
    raise LateError


def stop(number: int, frame: FrameType | None) -> None:
    """The handler of a service that is told to stop."""
    sys.exit("told to stop")


ALARM: signal.Signals = getattr(
    signal, "SIGALRM" if hasattr(signal, "SIGALRM") else "SIGBREAK"
)
# What strikes, and by which signal: a Ctrl-C, a time limit, an order to stop.
KINDS: dict[type[BaseException], signal.Signals] = {
    KeyboardInterrupt: signal.SIGINT,
    LateError: ALARM,
    SystemExit: signal.SIGTERM,
}
STRUCK = tuple(KINDS)


@contextlib.contextmanager
def handlers() -> Iterator[None]:
    """Those of the three signals stand for the time of the ``with``."""
    new = {
        signal.SIGINT: signal.default_int_handler,
        ALARM: be_late,
        signal.SIGTERM: stop,
    }
    before = {number: signal.signal(number, handler) for number, handler in new.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Place(NamedTuple):
    """One instruction of the code of a function."""

    code: CodeType
    offset: int


class Strike:
    """Sends a signal at one instruction, as long as the ``with`` lasts.

    Args:
        at: The how many-th instruction of what is struck; 0 only counts them.
        error: What is raised there, one of `KINDS`.
        is_struck: Whether the instructions of some code count.
        finalizers: Strike also where an object is dropped. Python tells of what is
            raised there, and goes on.
        deep: What they call of other people's code counts as well, at the instructions
            before which Python runs handlers: behind a call or a step back, and at the
            begin of a function. Elsewhere a ``with`` that ends would leave its lock.

    Attributes:
        count: How many instructions there were, up to the strike.
        place: Which of them was struck; empty as long as none is.
        first: Where each different instruction was met for the first time, if they are
            only counted.
        times: How often each was met, if they are only counted.
    """

    def __init__(
        self,
        at: int,
        error: type[BaseException],
        is_struck: Callable[[CodeType], bool],
        *,
        finalizers: bool = False,
        deep: bool = False,
    ) -> None:
        self.at = at
        self.error = error
        self.is_struck = is_struck
        self.finalizers = finalizers
        self.deep = deep
        self.last: dict[int, str] = {}  # the last instruction of each frame, by its id
        self.count = 0
        self.place = ""
        self.first: dict[Place, int] = {}
        self.times: Counter[Place] = Counter()

    def __enter__(self) -> Strike:
        # Python 3.12 looks for what is traced so before it traces, and not in a frame
        # that asks for it later.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self.enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def enter(self, frame: FrameType, event: str, _: object) -> Any:
        if not self.is_struck(frame.f_code) and not self.is_called_by_struck(frame):
            return None
        if not self.finalizers and is_in_finalizer(frame):
            return None
        frame.f_trace = self.step  # Python 3.13 wants that first
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.step

    def is_called_by_struck(self, frame: FrameType) -> bool:
        """Also by what it has called of other people's code."""
        caller: FrameType | None = frame
        while self.deep and caller is not None:
            if self.is_struck(caller.f_code):
                return True
            if caller.f_code.co_filename.startswith((TESTS, "<frozen")):
                return False
            caller = caller.f_back
        return False

    def counts(self, frame: FrameType) -> bool:
        """Whether the next instruction of *frame* is one of those to strike."""
        here = instructions_of(frame.f_code)
        if not self.deep:
            return frame.f_lasti not in here.leaving
        name = here.names[frame.f_lasti]
        last = self.last.get(id(frame), "")
        self.last[id(frame)] = name
        return name == "RESUME" or last.startswith("CALL") or last == "JUMP_BACKWARD"

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode" and self.counts(frame):
            self.count += 1
            if not self.at:
                place = Place(frame.f_code, frame.f_lasti)
                self.first.setdefault(place, self.count)
                self.times[place] += 1
            elif self.count == self.at:
                self.strike(frame)
        return self.step

    def strike(self, frame: FrameType) -> None:
        self.place = place_of(frame)
        sys.settrace(None)
        signal.raise_signal(KINDS[self.error])


class PlaceStrike(Strike):
    """Sends it when one place is come to for the *at*-th time.

    No other code is looked at, so that a call takes hardly longer than it always does,
    and what other threads do in the meantime changes little of where it is struck.
    """

    def __init__(
        self,
        place: Place,
        at: int,
        error: type[BaseException],
        is_struck: Callable[[CodeType], bool],
        *,
        finalizers: bool = False,
        deep: bool = False,
    ) -> None:
        super().__init__(at, error, is_struck, finalizers=finalizers, deep=deep)
        self.code, self.offset = place

    def enter(self, frame: FrameType, event: str, _: object) -> Any:
        return super().enter(frame, event, _) if frame.f_code is self.code else None

    def step(self, frame: FrameType, event: str, _: object) -> Any:
        is_next = event == "opcode" and self.counts(frame)
        if is_next and frame.f_lasti == self.offset:
            self.count += 1
            if self.count == self.at:
                self.strike(frame)
        return self.step


class Instructions:
    """What is known of those of some code, by their places.

    Attributes:
        names: What each is called.
        leaving: Those by which a ``with`` is left that has come to its end, or an
            ``except``, and those between a coroutine and what it awaits, which is to
            be told of whatever is raised. Python runs no handler before them: no
            program could be sure that a lock is let go of, nor Python that an exception
            has been handled.
        like_last: Those that are always run behind one that changes nothing but
            the frame's own stack, and under the same ``try``. What strikes here is as
            if it had struck there: the stack is dropped.
    """

    def __init__(self, code: CodeType) -> None:
        found = [each for each in dis.get_instructions(code) if each.opname != "CACHE"]
        self.names = {each.offset: each.opname for each in found}
        self.leaving: set[int] = set()
        for first in range(len(found)):
            if found[first].opname == "POP_EXCEPT":
                self.leave_at(found, first)
            if is_of_await(found[first]):
                self.leaving.add(found[first].offset)
            some = found[first : first + 5]
            names = [each.opname for each in some if each.opname != "PRECALL"]
            nothing = [each.argval for each in some[:3]] == [None] * 3
            if names[:4] == LEAVING and nothing and some[3].arg == 2:
                self.leave_at(found, first)
                self.leaving.update(each.offset for each in some)
                if names[4:]:  # there was no PRECALL: that one comes after it
                    self.leaving.discard(some[4].offset)
        self.like_last = set(behind_quiet(code, found)) - self.leaving

    def leave_at(self, found: list[dis.Instruction], first: int) -> None:
        """Also by what brings a result out of the way before, or only has a line."""
        self.leaving.add(found[first].offset)
        if found[first - 1].opname in ("SWAP", "NOP"):
            self.leaving.add(found[first - 1].offset)


def behind_quiet(code: CodeType, found: list[dis.Instruction]) -> Iterator[int]:
    tries = dis.Bytecode(code).exception_entries

    def handler(offset: int) -> int:
        inner = [each.target for each in tries if each.start <= offset < each.end]
        return inner[0] if inner else -1

    for last, each in itertools.pairwise(found):
        is_like = last.opname in QUIET and not each.is_jump_target
        if is_like and handler(last.offset) == handler(each.offset):
            yield each.offset


# They call nothing, drop nothing but numbers and constants, and store nothing.
QUIET = {
    *("LOAD_FAST", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"),
    *("LOAD_CLOSURE", "LOAD_CONST", "LOAD_GLOBAL", "PUSH_NULL", "COPY", "SWAP"),
    *("NOP", "EXTENDED_ARG", "PRECALL", "KW_NAMES", "IS_OP", "JUMP_FORWARD"),
    *("BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "MAKE_FUNCTION"),
}


def is_of_await(each: dis.Instruction) -> bool:
    if each.opname == "RESUME":
        return (each.arg or 0) >= 2
    return each.opname in ("SEND", "YIELD_VALUE", "JUMP_BACKWARD_NO_INTERRUPT")


LEAVING = [*["LOAD_CONST"] * 3, "CALL"]

# By the identity of the code, which is kept: to hash it takes longer than all the rest.
known: dict[int, tuple[CodeType, Instructions]] = {}


def instructions_of(code: CodeType) -> Instructions:
    if id(code) not in known:
        known[id(code)] = code, Instructions(code)
    return known[id(code)][1]


def place_of(frame: FrameType) -> str:
    code = frame.f_code
    name = os.path.relpath(code.co_filename, OURS)
    return f"{name}:{frame.f_lineno} {code.co_qualname}"


def is_in_finalizer(frame: FrameType | None) -> bool:
    """Whether it is called when an object is dropped."""
    while frame is not None:
        if frame.f_code.co_name in ("__del__", "abandon"):
            return True
        frame = frame.f_back
    return False


def is_behind(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether *error* is one of *kind*, or was raised because of one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
