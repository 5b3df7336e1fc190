"""Lets a function that takes options show them: in its signature and in its docstring.

The options are declared once, as a `TypedDict` whose docstring explains each. A
function takes them as ``**options``, which says nothing to a person who asks for its
parameters: with ``help``, in a notebook, in an editor that has the program at hand. All
of these ask :func:`inspect.signature`, and that follows ``__wrapped__``. So there
stands a function that has every option as a parameter, and is never called.

Nothing here needs :mod:`inspect`, for which every program would have to wait. Editors
that only read the source have the stubs beside the front doors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])  # Any: a function of any result type

VARARGS, VARKEYWORDS = 0x04, 0x08  # flags of a code, as `inspect` has them
# These come first where they are options: how many, and where.
FIRST = ("workers", "processes")


def showing(
    options: type,
    defaults: Mapping[str, object],
    *,
    of: type | None = None,
    without: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Let the function below show all *options*, which it takes by ``**``.

    Args:
        options: A `TypedDict`; of parameters that the function has itself, these count.
        defaults: What holds where an option is not given, unless that is None.
        of: What *options* are more of, and where the others are explained.
        without: Those that it refuses.
    """

    def mark(function: F) -> F:
        own = parameters_of(function)
        names = [
            name
            for name in options.__annotations__
            if name not in own and name not in without
        ]
        function.__wrapped__ = twin_of(function, names, options, defaults)  # type: ignore[attr-defined]  # as functools.wraps does
        lines = lines_of(options.__doc__)
        if of is not None:
            lines = {**lines_of(of.__doc__), **lines}
        function.__doc__ = with_lines(function.__doc__, lines, names)
        return function

    return mark


def parameters_of(function: Any) -> tuple[str, ...]:  # Any: as above
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def twin_of(
    function: Any,  # Any: a function of any result type
    names: list[str],
    options: type,
    defaults: Mapping[str, object],
) -> FunctionType:
    """A function with the parameters of *function*, and *names* in place of ``**``."""
    code: CodeType = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    keywords = parameters_of(function)[code.co_argcount :]
    first = [name for name in FIRST if name in names]
    rest = [name for name in names if name not in first]
    keywords = (*first, *keywords, *rest)
    place = code.co_argcount + code.co_kwonlyargcount
    more = code.co_varnames[place : place + 1] if code.co_flags & VARARGS else ()
    twin = FunctionType(
        code_with(code, positional, keywords, more),
        function.__globals__,
        function.__name__,
        function.__defaults__,
    )
    twin.__qualname__, twin.__module__ = function.__qualname__, function.__module__
    twin.__kwdefaults__ = {
        **{name: defaults.get(name) for name in names},
        **(function.__kwdefaults__ or {}),
    }
    notes = {name: text_of(options.__annotations__[name]) for name in names}
    twin.__annotations__ = {**notes, **function.__annotations__}
    twin.__annotations__.pop(code.co_varnames[place + len(more)], None)
    return twin


def code_with(
    code: CodeType,
    positional: tuple[str, ...],
    keywords: tuple[str, ...],
    more: tuple[str, ...],
) -> CodeType:
    """A code that stands where *code* does, with other parameters, and does nothing."""
    names = (*positional, *keywords, *more)
    flags = nothing.__code__.co_flags | (VARARGS if more else 0)
    return nothing.__code__.replace(
        co_argcount=len(positional),
        co_posonlyargcount=code.co_posonlyargcount,
        co_kwonlyargcount=len(keywords),
        co_nlocals=len(names),
        co_varnames=names,
        co_flags=flags & ~VARKEYWORDS,
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )


def nothing() -> None:
    pass


def text_of(annotation: object) -> str:
    """What was written for *annotation*."""
    text = getattr(annotation, "__forward_arg__", annotation)
    return text if isinstance(text, str) else getattr(annotation, "__name__", "object")


def with_lines(
    text: str | None, lines: Mapping[str, str], names: list[str]
) -> str | None:
    """A docstring with one line for each of *names*; as it is where there are none."""
    if text is None or not lines:  # as with python -OO
        return text
    margin = text[len(text.rstrip()) :].rpartition("\n")[2]
    listed = "".join(f"{margin}    {name}: {lines[name]}\n" for name in names)
    return f"{text.rstrip()}\n\n{margin}Options:\n{listed}{margin}"


def lines_of(explained: str | None) -> dict[str, str]:
    """The first sentence on each attribute that a docstring explains."""
    if explained is None:
        return {}
    if explained in known:
        return known[explained]
    head, _, listed = explained.partition("Attributes:\n")
    margin = head.rpartition("\n")[2] + "    "
    found: dict[str, str] = {}
    name = ""
    for line in listed.splitlines():
        if line.startswith(margin) and not line[len(margin) :].startswith(" "):
            name, _, text = line.strip().partition(": ")
            found[name] = text
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    known[explained] = {name: first_sentence(text) for name, text in found.items()}
    return known[explained]


def first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


known: dict[str, dict[str, str]] = {}
