"""The code objects inside another code object."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType


def with_inner_codes(code: CodeType) -> Iterator[CodeType]:
    """*code*, and that of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from with_inner_codes(constant)


def names_in(code: CodeType) -> Iterator[str]:
    """The globals and attributes that anything in *code* names."""
    for each in with_inner_codes(code):
        yield from each.co_names
