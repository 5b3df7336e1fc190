"""How a function is recognised: by its name, and by what it closes over.

Its code does not count. Bytecode changes with every version of Python, and a function
whose body was corrected in the middle of a run is still the one that the finished tasks
called.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from types import (
    BuiltinMethodType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
)
from typing import Any

from .errors import UnstableError
from .values import Content, import_name, name_of_class, text_of_name


def text_of_callable(
    function: Any, content: Content
) -> str | None:  # Any: a function, a class, a partial, a method
    """The text of *function*; None if it is nothing of the kind."""
    given: object = function
    if isinstance(function, type) and "<locals>" in function.__qualname__:
        return f"n{text_of_class(function, content)}"
    name = name_of_class(function) if isinstance(function, type) else None
    name = name or name_in_module(function)
    if name is not None:
        return f"n{len(name)}:{name}"
    if isinstance(function, functools.partial):
        return f"P{content.inside(given, lambda p: text_of_partial(p, content))}"
    if isinstance(function, MethodType | BuiltinMethodType | MethodWrapperType):
        return f"M{text_of_method(function, content)}"
    if isinstance(function, FunctionType):
        return f"F{content.inside(function, lambda f: text_of_closure(f, content))}"
    return None


def name_in_module(thing: object) -> str | None:
    """``module:name``, if that module has *thing* under that name."""
    owner = getattr(thing, "__objclass__", thing)  # of str.upper, which has no module
    module = getattr(owner, "__module__", None)
    name = getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{import_name(module)}:{name}" if found is thing else None


def text_of_partial(
    function: functools.partial[Any], content: Content
) -> str:  # Any: of any function
    parts = function.func, tuple(function.args), dict(function.keywords)
    return "".join(map(content.of, parts)) + content.of_more(function)


def text_of_method(method: Any, content: Content) -> str:  # Any: of any class
    name: str = method.__name__
    try:
        return f"{len(name)}:{name}{content.of(method.__self__)}"
    except UnstableError as error:
        error.steps.append(".__self__")
        raise


def text_of_closure(function: FunctionType, content: Content) -> str:
    """A function that was defined in another, by its name and all it was given there.

    Raises:
        UnstableError: It is a lambda, or was given something without stable content.
    """
    name = function.__qualname__
    if "<lambda>" in name:
        raise UnstableError(
            "is a lambda, which has no name to know it by (one that is written with "
            "def has)"
        )
    texts = [f"{import_name(function.__module__)}:{name}"]
    for variable, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        texts.append(text_of_variable(variable, cell.cell_contents, content))
    texts += [
        text_of_variable("__defaults__", function.__defaults__, content),
        text_of_variable("__kwdefaults__", function.__kwdefaults__, content),
    ]
    return "".join(f"{len(text)}:{text}" for text in texts) + content.of_more(function)


def text_of_class(kind: type, content: Content) -> str:
    """Its name; of one defined in a function also what it was given there."""
    name = text_of_name(kind)
    if "<locals>" not in kind.__qualname__:
        return name
    return name + content.inside(kind, lambda each: text_of_local_class(each, content))


def text_of_local_class(kind: type, content: Content) -> str:
    """What the functions and the attributes of *kind* have from where it was made."""
    texts: list[str] = []
    for name, value in sorted(vars(kind).items()):
        function: Any = value  # Any: unwrapped as far as there is something in it
        for wrapper in ("fget", "func", "__func__"):
            function = getattr(function, wrapper, None) or function
        if isinstance(function, FunctionType):
            texts += texts_of_cells(name, function, content)
        elif not (name.startswith("__") or isinstance(value, DESCRIPTORS)):
            texts.append(text_of_variable(name, value, content))
    texts += [content.of(base) for base in kind.__bases__ if base is not object]
    return "".join(f"{len(text)}:{text}" for text in texts)


DESCRIPTORS = (MemberDescriptorType, GetSetDescriptorType, property)


def texts_of_cells(
    name: str, function: FunctionType, content: Content
) -> Iterator[str]:
    for variable, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        if variable == "__class__":  # the class itself, for `super`
            continue
        if "__create_fn__" in function.__qualname__:
            continue  # of a dataclass: its fields are known, and so are their types
        text = text_of_variable(variable, cell.cell_contents, content)
        yield f"{name}.{text}"


def text_of_variable(name: str, value: object, content: Content) -> str:
    try:
        return f"{name}={content.of(value)}"
    except UnstableError as error:
        error.steps.append(f" (closure variable {name!r})")
        raise
