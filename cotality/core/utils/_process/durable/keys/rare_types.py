"""The content of objects that tasks seldom get."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any, cast

from .errors import UnstableError
from .functions import text_of_callable, text_of_class
from .values import Content, text_of_name, text_of_str


def text_of_rare(thing: Any, content: Content) -> str:  # Any: asked by its type
    """The text of *thing*, which is of none of the usual types.

    Raises:
        UnstableError: Something in it has no content that stays.
    """
    from .arrays import text_of_array
    from .standard_types import STANDARD

    kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
    if isinstance(thing, Enum):
        # A flag that is made of bits without names has none either.
        name = cast("str | None", thing.name)
        said = content.of(thing.value) if name is None else text_of_str(name)
        return f"e{text_of_class(kind, content)}{said}"
    if is_dataclass(thing) and not isinstance(thing, type):
        return text_of_dataclass(thing, content)
    if isinstance(thing, tuple) and hasattr(kind, "_fields"):
        items = cast("tuple[object, ...]", thing)
        inside = content.inside(items, lambda t: text_of_named(t, content))
        return f"N{text_of_class(kind, content)}{inside}"
    rule = STANDARD.get(kind)
    if rule is not None:
        more = content.of_more(thing)
        return f"o{text_of_name(kind)}{rule(thing, content)}{more}"
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
            try:
                text = content.of(getattr(thing, field.name))
            except AttributeError:
                continue  # nothing has set it
            except UnstableError as error:
                error.steps.append(f".{field.name}")
                raise
            if not field.compare and text == text_of_default(field, content):
                continue  # as a cache that is empty
            texts.append(f"{text_of_str(field.name)}{text}")
        names = {field.name for field in fields(thing)}
        return "".join(sorted(texts)) + state_besides(thing, names, content)

    from .state import state_besides

    kind: type[object] = type(thing)  # pyright: ignore[reportUnknownVariableType]  # of Any
    return f"C{text_of_class(kind, content)}{content.inside(thing, of_fields)}"


def text_of_default(
    field: Field[Any], content: Content
) -> str | None:  # Any: of any type
    """The text of what *field* has if nobody gives it anything."""
    if field.default is not MISSING:
        return content.of(field.default)
    if field.default_factory is MISSING:
        return None
    return content.of(field.default_factory())
