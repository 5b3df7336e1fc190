"""The content of objects that tasks seldom get."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from .content import Content, text_of_name, text_of_str
from .errors import UnstableError
from .functions import text_of_callable


def text_of_rare(thing: Any, content: Content) -> str:  # Any: asked by its type
    """The text of *thing*, which is of none of the usual types.

    Raises:
        UnstableError: Something in it has no content that stays.
    """
    from .arrays import text_of_array
    from .standard import STANDARD

    kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
    if isinstance(thing, Enum):
        return f"e{text_of_name(kind)}{text_of_str(thing.name)}"
    if is_dataclass(thing) and not isinstance(thing, type):
        return text_of_dataclass(thing, content)
    if isinstance(thing, tuple) and hasattr(kind, "_fields"):
        items = cast("tuple[object, ...]", thing)
        inside = content.inside(items, lambda t: text_of_named(t, content))
        return f"N{text_of_name(kind)}{inside}"
    rule = STANDARD.get(kind)
    if rule is not None:
        return f"o{text_of_name(kind)}{rule(thing, content)}"
    text = text_of_array(thing, content) or text_of_callable(thing, content)
    if text is None:
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        raise UnstableError(f"is a {name}, which has no content to know it by")
    return text


def text_of_named(thing: Any, content: Content) -> str:  # Any: any named tuple
    from .state import text_of_attributes

    return content.of_items(thing) + text_of_attributes(thing, set(), content)


def text_of_dataclass(thing: Any, content: Content) -> str:  # Any: of any dataclass
    def of_fields(thing: Any) -> str:  # Any: as above
        texts: list[str] = []
        for field in fields(thing):
            if not declared(field):
                continue
            try:
                text = content.of(getattr(thing, field.name))
            except UnstableError as error:
                error.steps.append(f".{field.name}")
                raise
            texts.append(f"{text_of_str(field.name)}{text}")
        names = {field.name for field in fields(thing)}
        return "".join(sorted(texts)) + state_besides(thing, names, content)

    from .state import declared, state_besides

    kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
    return f"C{text_of_name(kind)}{content.inside(thing, of_fields)}"
