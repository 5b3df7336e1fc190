"""Which names of its script a function or class needs, found in its code."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any, cast

from .inner_codes import names_in, with_inner_codes

# What looks names up that the code does not name otherwise than as text.
LOOKING_UP = frozenset(
    [
        "globals",
        "eval",
        "exec",
        "vars",
        "getattr",
        "setattr",
        "modules",
        "import_module",
        "__import__",
        "__main__",
    ]
)


# How code gets at its globals. The bodies of classes look first among their own names.
GLOBAL_OPERATIONS = frozenset(
    [
        "LOAD_GLOBAL",
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
        "LOAD_NAME",
        "LOAD_FROM_DICT_OR_GLOBALS",
    ]
)


@functools.lru_cache(maxsize=4096)
def names_in_code(code: CodeType) -> frozenset[str]:
    """The names that *code* may look up in its globals, those it binds included."""
    import dis

    return frozenset(
        instruction.argval
        for each in with_inner_codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in GLOBAL_OPERATIONS
    )


@functools.lru_cache(maxsize=4096)
def texts_in_code(code: CodeType) -> frozenset[str]:
    """Texts in *code* that may be names, if it looks up names by their text."""
    codes = list(with_inner_codes(code))
    if not any(LOOKING_UP.intersection(each.co_names) for each in codes):
        return frozenset()
    found: set[str] = set()
    for each in codes:
        found.update(each.co_names)  # attributes of the module
        for text in each.co_consts:
            if isinstance(text, str):
                found |= names_in_text(text)
    return frozenset(found)


def hints_of_function(function: FunctionType) -> set[str]:
    """Names that it may look up in other ways; most of them will not be needed."""
    return {
        *texts_in_code(function.__code__),
        *names_in_annotations(annotations_of(function)),
    }


def hints_of_class(kind: type) -> set[str]:
    return set(names_in_annotations(annotations_of(kind)))


def annotations_of(thing: Any) -> dict[str, Any]:  # Any: annotations are anything
    own: Any = getattr(thing, "__dict__", {}).get("__annotations__")  # Any: as above
    if own is None and type(thing) is FunctionType:
        own = thing.__annotations__
    return cast("dict[str, Any]", own) if type(own) is dict else {}


def names_in_annotations(annotations: dict[str, Any]) -> Iterable[str]:
    for annotation in annotations.values():
        text = annotation
        if not isinstance(text, str):
            text = getattr(text, "__forward_arg__", None)
        if isinstance(text, str):
            yield from names_in_text(text)


@functools.lru_cache(maxsize=4096)
def names_in_text(text: str) -> frozenset[str]:
    if text.isidentifier():
        return frozenset([text])
    if len(text) > 1000:
        return frozenset()
    try:
        code = compile(text, "<text>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(names_in(code))
