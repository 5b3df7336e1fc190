"""How a traceback travels: as the places it names, without the objects it holds.

A traceback needs frames; it cannot be made from places alone. So for each place, a line
of code is made that claims to be there, and is run to its end. The line has the columns
of the original, so that the marks under it are right.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

from cotality._kit.public import pickled_as
from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal

MAX_FRAMES = 2000  # of one traceback; twice what Python's own limit makes


def field_of(error: BaseException, name: str) -> Any:  # Any: of different types
    """An attribute as `BaseException` itself has it, whatever the class does."""
    return vars(BaseException)[name].__get__(error)


def set_field(error: BaseException, name: str, value: object) -> None:
    """Set such an attribute, also of a class that forbids it (a frozen dataclass)."""
    vars(BaseException)[name].__set__(error, value)


@pickled_as("PackedFrame")
class PackedFrame(NamedTuple):
    """One frame of a traceback. Its columns are 0 where they are not known."""

    file: str
    function: str
    module: str
    line: int
    end_line: int
    column: int
    end_column: int


Place = PackedFrame  # its name in files that an earlier version has written


def pack_frames(frames: TracebackType | None) -> list[PackedFrame]:
    """The frames of a traceback as plain data, outermost first; none for None."""
    places: list[PackedFrame] = []
    while frames is not None and len(places) < MAX_FRAMES:
        places.append(place_of(frames))
        frames = frames.tb_next
    return places


def place_of(frames: TracebackType) -> PackedFrame:
    code = frames.tb_frame.f_code
    instruction = frames.tb_lasti // 2  # two bytes each
    found = next(islice(code.co_positions(), instruction, None), (None,) * 4)
    line, end_line, column, end_column = found
    if line != frames.tb_lineno or None in (line, end_line, column, end_column):
        # Python was told not to keep columns, or something set the line by hand.
        line = end_line = frames.tb_lineno
        column = end_column = 0
    return PackedFrame(
        code.co_filename,
        code.co_qualname,
        str(frames.tb_frame.f_globals.get("__name__")),
        line or 0,
        end_line or 0,
        column or 0,
        end_column or 0,
    )


def unpack_frames(places: list[PackedFrame]) -> TracebackType | None:
    """A traceback with the same places, which Python shows like any other."""
    outer: TracebackType | None = None
    for place in reversed(places):
        stub = run_stub(place)
        frames = next(stub)
        if frames is not None:
            frames.tb_frame.f_globals["caller"] = stub  # see `run_stub`
            frames.tb_next = outer
            outer = frames
    return outer


def run_stub(place: PackedFrame) -> Generator[TracebackType | None, None, None]:
    """The traceback of the one frame *place*.

    A frame keeps its caller, and that one its caller, up to the user's own. But a
    generator that waits has none, and so it waits for as long as the frame is there,
    which owns it. (One that ends has the caller that ends it, on Python 3.12; and to
    clear its frame ends it.)
    """
    names = {"__name__": place.module, "__file__": place.file, "end": StubEndError()}
    found: list[TracebackType | None] = [None]
    try:
        exec(stub_at(place), names, {})
    except StubEndError as end:
        found[0] = end.__traceback__ and end.__traceback__.tb_next
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        # A traceback is worth less than the exception it belongs to.
    del names["end"]  # it refers to the frame, and the frame to these names
    del names  # they refer to this generator
    yield found.pop()


def forget_callers(error: BaseException) -> None:
    """Empty our own frames that *error* passed through and that have ended.

    An exception keeps the frames that it went through, a frame keeps its caller, and
    each of them what it knows: here a whole portion, with all arguments and results.
    Frames that still run, and so those of whoever called us, are left alone.
    """
    frames = field_of(error, "__traceback__")
    frame = frames and frames.tb_frame.f_back
    while frame is not None and frame.f_code is not run_stub.__code__:
        try:
            frame.clear()
        except RuntimeError:
            return  # it runs, and so do its callers
        frame = frame.f_back


def keep_only_places(error: BaseException) -> None:
    """Make *error*, and all its causes, drop every frame that they passed through.

    For a failure inside of a call's own work: its frames lead to the whole call, with
    all arguments of all tasks, and some of them run for as long as the call does.
    """
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        frames = unpack_frames(pack_frames(field_of(each, "__traceback__")))
        BaseException.with_traceback(each, frames)
        left += [field_of(each, name) for name in ("__cause__", "__context__")]


class StubEndError(Exception):
    """Ends the code of a stub."""


def stub_at(place: PackedFrame) -> CodeType:
    """Code that ends with an error and claims to stand at *place*."""
    import ast

    tree = ast.parse("raise end")
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno, node.end_lineno = place.line, place.end_line
            node.col_offset, node.end_col_offset = place.column, place.end_column
    name = place.function.rpartition(".")[2]
    code = compile(tree, place.file, "exec")
    if not place.end_column:
        code = without_columns(code, place.line)
    return code.replace(co_name=name, co_qualname=place.function)


def without_columns(code: CodeType, line: int) -> CodeType:
    """*code*, all of which is at *line*, so that nothing in the line is marked.

    The table of lines has an entry for every eight units of two bytes; its first byte
    says that there are no columns, and for how many units, the second one that the line
    stays the same (3.11 to 3.14).
    """
    units = len(code.co_code) // 2
    sizes = [min(8, units - start) for start in range(0, units, 8)]
    table = b"".join(bytes([0xE8 | size - 1, 0]) for size in sizes)
    return code.replace(co_linetable=table, co_firstlineno=line)
