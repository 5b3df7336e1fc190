"""A list in portions."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A portion of a list.

    Attributes:
        items: What is in it.
        next_cursor: By which the next portion is asked for; None if there is none.
    """

    model_config = ConfigDict(extra="forbid")

    items: list[T]
    next_cursor: str | None = None
